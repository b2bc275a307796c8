"""The redaction rules, slow and obvious: what the Rust core is tested against.

Standard library only. Each module says which file of `rust/` states the same rules. Where it can, it reaches the result
by other means: regular expressions instead of a scanner, `bytes.split` instead of a search, lists of values instead of
edits.
"""
