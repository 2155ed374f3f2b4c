"""Root file systems of container images, as folders below one folder.

`FOLDER/restic/restic:newer` is the root of the image of that name; `FOLDER/busybox` is the root of every
image `busybox`, whatever its tag or digest, that has no folder of its own, and so is `FOLDER/restic/restic`.
The registry `docker.io` may be named or not; the same name in another registry is another image. The folders
are built from this machine's busybox (Debian's busybox-static), restic, ssh and rclone: like the official
images they have busybox's tools and no others.

All other images cannot be pulled, unless the node was started with this machine's tools: then their
containers see this machine's own programs. Images below `missing.invalid/` can never be pulled.
"""

import logging
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from kronkeep_common.errors import ToolMissing

log = logging.getLogger(__name__)
BUSYBOX_IMAGE = "busybox"
RESTIC_IMAGE = "restic/restic"
NEWER_RESTIC_IMAGE = "restic/restic:newer"
_UNPULLABLE_IMAGES = "missing.invalid/"
_PROGRAMS = ("restic", "ssh", "rclone")
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_FOLDERS = ("dev", "etc", "home", "mnt", "opt", "proc", "root", "run", "srv", "sys", "tmp", "usr/bin", "var")
_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": "root:x:0:\nnobody:x:65534:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
    "etc/hosts": "",  # the node's are mounted over these two
    "etc/resolv.conf": "",
}


class ImageFolder:
    """The images of a node; `folder` None is a node that has none.

    `machine_tools`: containers of other images see this machine's own programs.
    """

    def __init__(self, folder: Path | None, *, machine_tools: bool = False) -> None:
        self._folder = folder
        self._has_machine_tools = machine_tools

    def find_pull_fault(self, image: str) -> str:
        """Return why an image cannot be pulled, in the words of containerd; empty where it can."""
        if image.startswith(_UNPULLABLE_IMAGES):
            return f'failed to pull image "{image}": no registry serves {_UNPULLABLE_IMAGES.rstrip("/")}'
        if self._has_machine_tools or self.root_of(image) is not None:
            return ""
        return (
            f'failed to pull and unpack image "{image}": failed to resolve reference "{image}": '
            f"{image}: not found; a node of the embedded cluster has the images {self._list_names()}"
        )

    def _list_names(self) -> str:
        if self._folder is None:
            return "of no name"
        files = sorted(self._folder.glob("**/bin/busybox"))
        names = [str(file.parents[1].relative_to(self._folder)) for file in files]
        return ", ".join(name for name in names if not name.endswith("usr"))

    def root_of(self, image: str) -> Path | None:
        """Return the root file system of an image; None where this node has none."""
        if self._folder is None:
            return None
        name = image.removeprefix("docker.io/").removeprefix("library/").partition("@")[0]
        parent, slash, last = name.rpartition("/")
        untagged = parent + slash + last.partition(":")[0]
        for candidate in (name, untagged):
            root = self._folder / candidate
            if ".." not in Path(candidate).parts and (root / "bin" / "busybox").is_file():
                return root
        return None


def open_images(folder: Path, *, machine_tools: bool = False) -> ImageFolder:
    """Return the images that `make images` built, or those in `folder`, built where they are missing.

    Raises ToolMissing where there are none and this machine has no busybox; with `machine_tools` every
    container sees this machine's own programs then.
    """
    prepared = Path(sys.prefix) / "images"
    if prepared.is_dir():
        return ImageFolder(prepared, machine_tools=machine_tools)
    if not folder.is_dir():
        try:
            build_images(folder, None)
        except ToolMissing as missing:
            if not machine_tools:
                raise
            log.warning("all containers see this machine's own programs: %s", missing)
            return ImageFolder(None, machine_tools=True)
    return ImageFolder(folder, machine_tools=machine_tools)


def build_images(folder: Path, newer_restic: Path | None) -> None:
    """Build the images in `folder`, which appears when they are complete; another builder may be faster.

    newer_restic: a program for the image `restic/restic:newer`; without it there is no such image. Raises
    ToolMissing without busybox.
    """
    busybox = shutil.which("busybox")
    if busybox is None:
        raise ToolMissing(
            "The program busybox is not installed, so no image can be built.",
            next_step="Run: apt-get install -y busybox-static.",
        )
    programs = {name: Path(path) for name in _PROGRAMS if (path := shutil.which(name))}
    images: dict[str, dict[str, Path]] = {BUSYBOX_IMAGE: {}}
    if "restic" in programs:
        images[RESTIC_IMAGE] = programs
    if newer_restic is not None and newer_restic.is_file():
        images[NEWER_RESTIC_IMAGE] = programs | {"restic": newer_restic}
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".images-") as name:
        unfinished = Path(name) / "images"
        for image, contents in images.items():
            _build_root(unfinished / image, Path(busybox), contents)
        try:
            unfinished.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise


def _build_root(root: Path, busybox: Path, programs: dict[str, Path]) -> None:
    """Build a root with busybox's tools and with programs by name, each with its shared libraries."""
    for name in _FOLDERS:
        _make_folder(root / name)
    (root / "tmp").chmod(0o1777)
    for name, text in _FILES.items():
        (root / name).write_text(text)
        (root / name).chmod(0o644)
    _link_file(busybox, root / "bin" / "busybox")
    applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True)
    for applet in applets.stdout.split():
        if applet != "busybox":
            (root / "bin" / applet).symlink_to("busybox")
    (root / "usr" / "bin" / "env").symlink_to("/bin/busybox")
    if _CERTIFICATES.is_file():
        _link_file(_CERTIFICATES, root / _CERTIFICATES.relative_to("/"))
    for name, program in programs.items():
        _link_file(program, root / "usr" / "bin" / name)
        for library in shared_libraries(program):
            _link_file(library, root / library.relative_to("/"))


def _link_file(source: Path, target: Path) -> None:
    """Link a file of this machine, or copy it where that cannot be; containers write to neither."""
    _make_folder(target.parent)
    if target.exists():
        return
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copy(source, target)


def _make_folder(path: Path) -> None:
    """Create a folder and its parents so that other users than root can read them, whatever the umask."""
    if not path.is_dir():
        _make_folder(path.parent)
        path.mkdir(exist_ok=True)
        path.chmod(0o755)


def shared_libraries(program: Path) -> list[Path]:
    """Return the libraries and the loader that a program needs, as `ldd` prints them."""
    done = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
    words = [word for line in done.stdout.splitlines() for word in line.split()]
    return [Path(word) for word in words if word.startswith("/") and Path(word).is_file()]
