#!/bin/busybox sh
# First process of a guest: shows the files of the host, read-only with a layer of memory above, mounts what a node has
# (cgroup v2 only), runs /out/job there, leaves its status in /out/status, and switches off.
/bin/busybox --install -s /bin
export PATH=/bin

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev

# Should the host lose sight of us.
for word in $(cat /proc/cmdline); do
  case $word in nodeos.deadline=*) (sleep "${word#*=}"; poweroff -f) & ;; esac
done
for module in /modules/*.ko; do insmod "$module"; done

shared=trans=virtio,version=9p2000.L,msize=512000
mount -t 9p -o ro,cache=loose,$shared root /lower || poweroff -f
mount -t tmpfs -o size=50% layer /layer
mkdir /layer/upper /layer/work
mount -t overlay -o lowerdir=/lower,upperdir=/layer/upper,workdir=/layer/work overlay /new || poweroff -f
cd /new

mkdir -p proc sys dev run tmp out
mount --move /proc proc
mount --move /sys sys
mount --move /dev dev
mkdir -p dev/pts dev/shm dev/hugepages
mount -t devpts devpts dev/pts
mount -t tmpfs shm dev/shm
mount -t tmpfs run run
mount -t hugetlbfs hugepages dev/hugepages
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t debugfs debugfs sys/kernel/debug
mount -t tracefs tracefs sys/kernel/tracing
mount -t 9p -o rw,$shared out out || poweroff -f
ifconfig lo 127.0.0.1
hostname guest

cut -d' ' -f1 proc/uptime >out/ready
# Through a pipe: programs that see a terminal print otherwise.
{
  chroot . /bin/sh /out/job <dev/null 2>&1
  echo $? >out/status
} | cat >dev/hvc0
poweroff -f
