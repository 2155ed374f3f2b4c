"""`kronkeep completion`: scripts that complete verbs, kinds, options and the names that exist in a shell.

A script asks `kronkeep completion words WORD...` what may stand in the place of the last word.
"""

import argparse
import sys

from kronkeep_tui.cli.verb import Verbs

_BASH = """_kronkeep() {
    local IFS=$'\\n' word=${COMP_WORDS[COMP_CWORD]}
    COMPREPLY=($(kronkeep completion words "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
    [[ ${COMPREPLY[0]} == *: ]] && compopt -o nospace 2>/dev/null
    return 0
}
complete -o default -F _kronkeep kronkeep
"""
# It is read by `source`, or is the file `_kronkeep` in zsh's `fpath`, whose text is then the function.
_ZSH = """#compdef kronkeep
_kronkeep() {
    local -a found=("${(@f)$(kronkeep completion words "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
    local -a open=("${(@M)found:#*:}") whole=("${(@)${(@)found:#*:}:#}")
    if [[ -z $found ]]; then
        _files
    else
        compadd -S '' -- $open
        compadd -- $whole
    fi
}
if [[ $funcstack[1] == _kronkeep ]]; then _kronkeep; else compdef _kronkeep kronkeep; fi
"""
# Files are offered where no word fits, as after -f.
_FISH = """function __kronkeep_words
    set -l words (kronkeep completion words (commandline -opc)[2..] (commandline -ct) 2>/dev/null)
    if test (count $words) -gt 0
        string join -- \\n $words
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c kronkeep -f -a '(__kronkeep_words)'
"""
_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def add_parser(verbs: Verbs) -> None:
    """Add the verb `completion`."""
    completion = verbs.add_parser(
        "completion", help="print a completion script: source <(kronkeep completion bash)"
    )
    completion.add_argument(
        "shell", choices=(*_SCRIPTS, "words"), help="the shell that reads it; words: what its script asks for"
    )
    words = completion.add_argument(
        "words", nargs=argparse.REMAINDER, help="with `words`: those after kronkeep, up to the cursor"
    )
    words.required = False  # argparse names it otherwise where the shell is missing
    completion.set_defaults(func=_print)


def _print(options: argparse.Namespace) -> int:
    if options.shell in _SCRIPTS:
        sys.stdout.write(_SCRIPTS[options.shell])
        return 0
    from kronkeep_tui.cli.completion_words import find_words

    for word in find_words(options.words, options.socket):
        print(word)
    return 0
