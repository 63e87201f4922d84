"""`ais completion`: the script that makes a shell ask `ais` for candidates. Source: spec/cli.md 5.15."""

from moss.cli.arguments import check_count
from moss.cli.candidates import one_of
from moss.cli.context import Context
from moss.cli.failures import UsageError
from moss.cli.options import Command

# Words are cut at blanks, not at the ':' and '=' of COMP_WORDBREAKS, so that ais://bucket stays one word; what bash
# would insert is what follows the last such sign.
_BASH = r"""# bash completion of ais. Use it with:  source <(ais completion bash)
_ais_complete() {
    local line="${COMP_LINE:0:COMP_POINT}" word candidate head
    local -a words
    read -ra words <<<"$line"
    case $line in *[[:space:]]) word= ;; *) word=${words[-1]} ; unset 'words[-1]' ;; esac
    head=${word%"${word##*[:=]}"}
    [[ $word == -* ]] && words+=("$word")
    COMPREPLY=()
    while IFS= read -r candidate; do
        [[ $candidate == "$word"* ]] || continue
        COMPREPLY+=("${candidate#"$head"}")
    done < <(AIS_COMPLETION_WORD=$word "${words[@]}" --generate-bash-completion 2>/dev/null)
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[/=] ]] && compopt -o nospace
}
complete -o default -F _ais_complete ais
"""

_ZSH = r"""#compdef ais
# zsh completion of ais. Use it with:  source <(ais completion zsh)
_ais() {
    local word=${words[CURRENT]} candidate
    local -a typed plain open
    typed=("${(@)words[1,CURRENT-1]}")
    [[ $word == -* ]] && typed+=("$word")
    for candidate in "${(@f)$(AIS_COMPLETION_WORD=$word "${typed[@]}" --generate-bash-completion 2>/dev/null)}"; do
        case $candidate in
            "") ;;
            *[/=]) open+=("$candidate") ;;
            *) plain+=("$candidate") ;;
        esac
    done
    (( ${#plain} + ${#open} )) || { _files; return }
    (( ${#plain} )) && compadd -- "${plain[@]}"
    (( ${#open} )) && compadd -S '' -- "${open[@]}"
}
if [[ $funcstack[1] == _ais ]]; then _ais "$@"; else compdef _ais ais; fi
"""

_FISH = r"""# fish completion of ais. Use it with:  ais completion fish | source
function __ais_complete
    set -l typed (commandline -opc)
    set -l word (commandline -ct)
    string match -q -- '-*' $word; and set -a typed $word
    set -l found (AIS_COMPLETION_WORD=$word command $typed --generate-bash-completion 2>/dev/null)
    if count $found >/dev/null
        printf '%s\n' $found
    else
        __fish_complete_path $word
    end
end
complete -c ais -f -a '(__ais_complete)'
"""

SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def _run(context: Context) -> None:
    check_count(context.parsed.positionals, ["bash|zsh|fish"], most=1)
    shell = context.parsed.positionals[0]
    script = SCRIPTS.get(shell)
    if script is None:
        raise UsageError(f'unknown shell "{shell}" (expecting bash, zsh or fish)')
    context.console.result(script.rstrip())


COMPLETION = Command(
    usage="bash|zsh|fish",
    summary="print the completion script of a shell",
    run=_run,
    complete=one_of(*SCRIPTS),
    notes="""
With it TAB completes commands, options and their values, and the live names of the cluster: buckets and what is in
them, jobs, nodes, configuration keys.
To keep it, put the line of the example for your shell into its start-up file.
""",
    examples=("source <(ais completion bash)", "source <(ais completion zsh)", "ais completion fish | source"),
)
