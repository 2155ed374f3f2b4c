"""`kronkeep completion`: scripts that complete verbs and options in a shell."""

import argparse
import sys

from kronkeep_common.manual.parser_actions import list_actions, list_commands
from kronkeep_tui.cli.verb import Verbs

_BASH = """_kronkeep() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} words
    case ${{COMP_CWORD}}:${{COMP_WORDS[1]}} in
    1:*) words="{verbs}" ;;
{cases}
    esac
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o default -F _kronkeep kronkeep
"""


def add_parser(verbs: Verbs) -> None:
    """Add the verb `completion`."""
    completion = verbs.add_parser(
        "completion", help="print a completion script: source <(kronkeep completion bash)"
    )
    completion.add_argument("shell", choices=("bash", "zsh", "fish"))
    completion.set_defaults(func=_print_script)


def _print_script(options: argparse.Namespace) -> int:
    from kronkeep_tui.cli.main import build_parser

    words = _words_by_verb(build_parser())
    verbs = words.pop("")
    if options.shell == "fish":
        sys.stdout.write(_fish_script(verbs, words))
        return 0
    cases = "\n".join(f'    *:{verb}) words="{" ".join(after)}" ;;' for verb, after in words.items())
    prefix = "autoload -U +X bashcompinit && bashcompinit\n" if options.shell == "zsh" else ""
    sys.stdout.write(prefix + _BASH.format(verbs=" ".join(verbs), cases=cases))
    return 0


def _fish_script(verbs: list[str], words: dict[str, list[str]]) -> str:
    lines = [f"complete -c kronkeep -n __fish_use_subcommand -a '{' '.join(verbs)}'"]
    lines += [
        f"complete -c kronkeep -n '__fish_seen_subcommand_from {verb}' -a '{' '.join(after)}'"
        for verb, after in words.items()
    ]
    return "\n".join(lines) + "\n"


def _words_by_verb(parser: argparse.ArgumentParser) -> dict[str, list[str]]:
    """Return what may follow each verb: its options, its own verbs, the choices of its arguments.

    The verbs themselves are under the empty text.
    """
    verbs = list_commands(parser)
    words = {"": [verb.name for verb in verbs]}
    for verb in verbs:
        after = {command.name for command in list_commands(verb.parser)}
        for action in list_actions(verb.parser):
            after |= {*action.option_strings, *(action.choices or ())}
        words[verb.name] = sorted(after)
    return words
