#!/usr/bin/python3
"""All servers of a small Swift in one go: account, container, object and proxy.

    swift_server.py FOLDER             serve until a signal
    swift_server.py FOLDER rings PORT  make the rings: the servers are at PORT and the next two

FOLDER/etc holds swift.conf and NAME.conf for each.  What takes long is to load the modules, so that
is done once, and each server is then a process that was forked from this one; they end with it.
"""

import ctypes
import os
import signal
import sys
import warnings

warnings.simplefilter("ignore")
NAMES = ("account", "container", "object", "proxy")
PR_SET_PDEATHSIG = 1


def configure(folder):
    """Swift would read /etc/swift/swift.conf: the salt of all names, and the policies."""
    from swift.common import utils
    utils.set_swift_dir(os.path.join(folder, "etc"))


def serve(name, folder):
    """One server, which does not return."""
    from swift.common.wsgi import run_wsgi
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    options = {"verbose": True}  # messages to standard error
    if name == "object":
        from swift.obj import server
        options["global_conf_callback"] = server.global_conf_callback
    sys.exit(run_wsgi(os.path.join(folder, "etc", name + ".conf"), name + "-server", **options))


def load():
    """What the servers share."""
    import swift.account.server
    import swift.common.middleware.s3api.s3api
    import swift.container.server
    import swift.obj.server
    import swift.proxy.server
    return swift


def supervise(children):
    """When one ends, all do."""
    def end(*_):
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    os.wait()
    end()


def rings(folder, first_port):
    """One device on each server, no copies."""
    from swift.common.ring import RingBuilder
    for number, name in enumerate(NAMES[:3]):
        builder = RingBuilder(4, 1, 1)
        builder.add_dev({"region": 1, "zone": 1, "weight": 1, "ip": "127.0.0.1",
                         "port": first_port + number, "device": "device"})
        builder.rebalance()
        builder.get_ring().save(os.path.join(folder, "etc", name + ".ring.gz"))


def main():
    """Do what the arguments say."""
    folder = sys.argv[1]
    configure(folder)
    if sys.argv[2:3] == ["rings"]:
        rings(folder, int(sys.argv[3]))
        return
    load()
    children = []
    for name in NAMES:
        pid = os.fork()
        if not pid:
            serve(name, folder)
        children.append(pid)
    supervise(children)


if __name__ == "__main__":
    main()
