"""Cut manifests of Lhotse as batches: `ais ml lhotse-get-batch`. Source: spec/cli.md 3.

manifest (lines) → cut (what a line means) → locate, ranges (entries) → batches → flight (several at a time)
                                                               wav, audio: parts of recordings as files that play
"""
