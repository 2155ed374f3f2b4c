"""A tenant who makes the log of its own archive say what it wants."""

import pytest
from tests.e2e.attacks.arena import EVIL, Arena
from tests.e2e.attacks.forgeries import (
    KEEP_ONE,
    begin_run,
    believed_ids,
    end_run,
    needs_dumps,
    printing,
    snapshot_of_victim,
    summary_line,
)
from tests.e2e.backup_site import DUMP_IMAGE, wait_for_end
from tests.waiting import eventually


@needs_dumps
@pytest.mark.parametrize("ending", ["good", "failed"])
async def test_a_dump_that_prints_lines_of_restic_names_no_snapshot(arena: Arena, ending: str) -> None:
    """It runs beside restic and may write to restic's own standard output."""
    victims = await snapshot_of_victim(arena)
    lines = [
        summary_line(victims),
        summary_line(victims, total_duration=1e-320, data_added=-1, data_added_packed=10**400),
        '{"message_type":"status","percent_done":1e308,"bytes_done":-1,"current_files":["x"]}',
        '{"message_type":"error","error":{"message":"FORGED"},"item":"/etc/shadow"}',
        '{"message_type":"exit_error","code":11,"message":"unable to create lock: FORGED"}',
    ]
    script = (
        f"({printing(*lines)}) > /proc/$PPID/fd/1; sleep 1; echo data; exit {0 if ending == 'good' else 4}"
    )
    dump = {"image": DUMP_IMAGE, "command": ["sh", "-c", script]}
    policy = {"include": {"volumes": False, "database": dump}, "source": {}} | KEEP_ONE
    async with arena.connection(EVIL) as evil, arena.client() as client:
        run, backup = await begin_run(arena, evil, f"forged-dump-{ending}", policy)
        await end_run(evil, run)
        # Progress is stored as it comes: whoever lists backups meanwhile reads it.
        await eventually(
            lambda: client.backups.list(limit=1),
            lambda page: page.items[0].status not in ("waiting", "queued"),
        )
        ended = await wait_for_end(client, backup.id)
        assert victims not in believed_ids(ended)
        assert ended.status == ("succeeded" if ending == "good" else "failed"), ended
