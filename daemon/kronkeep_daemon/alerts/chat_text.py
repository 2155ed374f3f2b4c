"""Text for chats: what a tenant wrote can call nobody, links nowhere and is seen to be quoted.

Alerts quote logs, Events and annotations, and their readers are chats, where `@everyone` and `<!channel>`
call people and `[text](address)` shows another address than it opens. Apprise has over a hundred kinds of
receivers, each with rules of its own, so the characters that all of these rules start with are replaced by
ones that look alike; what is read stays the same.
"""

from kronkeep_common.text import clean

_LOOK_ALIKES = str.maketrans(
    {
        "@": "\uff20",  # mentions: Discord, Mattermost, Matrix, Telegram
        "<": "\u2039",  # Slack's and Google Chat's <!channel>, <@U1>, <users/all>, links; HTML
        ">": "\u203a",
        "[": "\uff3b",  # links of Markdown
        "]": "\uff3d",
        "`": "\u02cb",  # the end of a code span
        "*": "\u2217",  # emphasis
    }
)
_SCHEME = "://"
_SCHEME_LOOK_ALIKE = ":\u2215\u2215"  # an address is a link in nearly every chat


def neutralise(text: str) -> str:
    """Return `text` as one line that no chat takes for a mention, a link or markup."""
    return clean(text).translate(_LOOK_ALIKES).replace(_SCHEME, _SCHEME_LOOK_ALIKE)


def quote(text: str) -> str:
    """Return `text` as a quoted line, as mail and chats show it."""
    return f"> {neutralise(text)}"
