# The configuration of a cluster with one monitor, one object store and one gateway; for rgw.
# shellcheck shell=bash disable=SC2154  # name, region, port, folder, kind, size, tls: those of rgw

# write_ceph_conf FSID
write_ceph_conf() {
    conf_network "$1"
    conf_no_keys
    conf_one_of_each
    conf_quick
    conf_monitor
    conf_objects
    conf_gateway
}

# Version 2 of the protocol only, and no admin sockets, whose paths may not be long.
conf_network() {
    cat <<CONF
[global]
fsid = $1
mon host = v2:127.0.0.1:$((port + 1))
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv4 = true
ms bind ipv6 = false
ms bind msgr1 = false
ms bind port min = $((port + 10))
ms bind port max = $((port + 29))
admin socket =
run dir = $folder/run
crash dir = $folder/run
pid file =
log file =
log to stderr = true
err to stderr = true
mon cluster log file = $folder/log/cluster.log
CONF
}

# No keys within the cluster.  The gateway would insist on an encrypted way to the monitor, which
# there is none without keys, and wait for it for ever: hence the modes.
conf_no_keys() {
    cat <<CONF
auth cluster required = none
auth service required = none
auth client required = none
auth allow insecure global id reclaim = false
ms mon cluster mode = crc
ms mon service mode = crc
ms mon client mode = crc
CONF
}

# One copy on one store is all there is, in few placement groups, and no manager that would change
# their number.
conf_one_of_each() {
    cat <<CONF
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon allow pool delete = true
mon max pg per osd = 2000
mon pg warn min per osd = 0
mon osd full ratio = .95
mon data avail warn = 1
mon data avail crit = 1
CONF
}

# The monitor gathers changes for a second, which a setup of many small ones waits for each time;
# what a killed gateway had open is given up after seconds, not half a minute.
conf_quick() {
    cat <<CONF
paxos propose interval = 0.02
paxos min wait = 0.01
osd client watch timeout = 3
osd default notify timeout = 2
CONF
    printf 'debug %s = 0\n' mon paxos osd ms rgw rocksdb bluestore
}

conf_monitor() {
    cat <<CONF
[mon.a]
mon data = $folder/mon
mon addr = v2:127.0.0.1:$((port + 1))
CONF
}

# All of it in one sparse file, of which nothing is checked before there is anything.
conf_objects() {
    cat <<CONF
[osd.0]
osd data = $folder/osd
osd objectstore = $kind
memstore device bytes = $size
memstore page set = false
bluestore block create = true
bluestore block size = $size
bluestore block db create = false
bluestore block wal create = false
bluestore fsck on mkfs = false
bluestore fsck on mount = false
bluestore cache autotune = false
bluestore cache size = 128M
osd memory target = 1G
osd op num shards = 2
osd op num threads per shard = 1
CONF
}

# Without tcp_nodelay a small answer on a kept connection takes 44 ms.  The key service is one line.
conf_gateway() {
    local front="beast endpoint=127.0.0.1:$port tcp_nodelay=1"
    if [ "$tls" ]; then
        front+=" ssl_endpoint=127.0.0.1:$((port + 2))"
        front+=" ssl_certificate=$folder/tls.pem ssl_private_key=$folder/tls.pem"
    fi
    cat <<CONF
[client.rgw.$name]
rgw frontends = $front
rgw realm = $name
rgw zonegroup = $region
rgw zone = $name
rgw thread pool size = 32
rgw enable usage log = false
rgw enable ops log = false
rgw dynamic resharding = false
rgw override bucket index max shards = 1
rgw relaxed s3 bucket names = false
rgw crypt require ssl = false
rgw crypt s3 kms backend = testing
rgw crypt s3 kms encryption keys = tozai-key=dG96YWktdGVzdHM6IGEga2V5IG9mIDMyIGJ5dGVzLi4=
CONF
}
