"""Jobs as the command line sees them: their names, what was meant by the arguments, questions, tables."""
