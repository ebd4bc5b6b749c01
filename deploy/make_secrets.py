"""`python3 deploy/make_secrets.py FOLDER`: the secrets of an installation, made at random where there are none.

A folder a secret, to be mounted by whoever needs it and by nobody else:

    redis-url/url          the address of Redis with the selector's password
    redis-users/users.acl  the users of the Redis that comes with it, with the password's hash
    token-admin/token      tokens for the selector, of scope admin,
    token-train/token      train
    token-read/token       and read

Started again it changes nothing. Needs Python alone.
"""

import hashlib
import secrets
import sys
from pathlib import Path

# The probe may ask whether Redis lives, and nothing else. The selector may do what it does: data under its prefix,
# and a look at the version and settings of the server. Nobody can log in as the default user, and yet it must be
# allowed all: Redis replays its log as this user when it starts, and leaves out what the user may not do.
USERS = """\
user default off ~* &* +@all
user probe on nopass +ping
user selector on #{digest} ~bots:* +@all -@admin -@dangerous +info +config|get
"""
OWN_REDIS = "redis"
"""The host name of the Redis that comes with it."""
SCOPES = ("admin", "train", "read")


def make_secrets(folder: Path) -> list[Path]:
    """Write what is missing, and give the files that were written."""
    made: list[Path] = []

    def kept(name: str, new: str) -> str:
        """What the file of this name holds; if there is none yet, the new text."""
        path = folder / name
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            whole = path.with_suffix(".new")
            whole.unlink(missing_ok=True)  # of one that was interrupted
            whole.write_text(new)
            # Its reader may run as any user: who reaches the folder, or the volume, is what keeps it secret.
            whole.chmod(0o444)
            whole.replace(path)
            made.append(path)
        return path.read_text()

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    url = kept("redis-url/url", f"redis://selector:{secrets.token_hex(32)}@{OWN_REDIS}:6379/0")
    if url.partition("@")[2].startswith(f"{OWN_REDIS}:"):  # one of yours has users of its own
        password = url.partition("@")[0].rpartition(":")[2]
        kept("redis-users/users.acl", USERS.format(digest=hashlib.sha256(password.encode()).hexdigest()))
    for scope in SCOPES:
        kept(f"token-{scope}/token", f"bots_{secrets.token_urlsafe(32)}")
    return made


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python3 deploy/make_secrets.py FOLDER")
    for made_file in make_secrets(Path(sys.argv[1])):
        print(f"made {made_file}")
