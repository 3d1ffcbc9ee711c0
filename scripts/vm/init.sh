#!/bin/busybox sh
# First process of a guest: shows the files of the host, read-only with a layer of memory above, mounts what a node has,
# and runs /out/job there, itself or by systemd. The guest is switched off at the end of the job.
/bin/busybox --install -s /bin
export PATH=/bin

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev

# Should the host lose sight of us. What it needs is open: later there may be another root.
for word in $(cat /proc/cmdline); do
  case $word in nodeos.deadline=*) (sleep "${word#*=}"; echo o >&9) 9>/proc/sysrq-trigger & ;; esac
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
mount -t tmpfs -o mode=755 run run
mount -t hugetlbfs hugepages dev/hugepages
mount -t debugfs debugfs sys/kernel/debug
mount -t tracefs tracefs sys/kernel/tracing
while read -r type options path; do
  mkdir -p "$path"
  mount -t "$type" -o "$options" "$type" "$path"
done </mounts
mount -t 9p -o rw,$shared out out || poweroff -f
ifconfig lo 127.0.0.1
hostname guest

if [ -d /units ]; then
  # Only these units; whatever the host's targets and generators would bring up is masked.
  mkdir -p run/systemd/system run/systemd/system-generators
  cp /units/* run/systemd/system
  for unit in lib/systemd/system/*.wants/* etc/systemd/system/*.wants/*; do ln -sf /dev/null "run/systemd/system/${unit##*/}"; done
  for program in lib/systemd/system-generators/*; do ln -s /dev/null "run/systemd/system-generators/${program##*/}"; done
  # Without one it would take this for the first boot ever, and enable units.
  echo 0123456789abcdef0123456789abcdef >etc/machine-id
  # Where the host is a container, systemd would take the guest for one too, and not read the kernel's arguments.
  rm -f .dockerenv
  exec switch_root . /lib/systemd/systemd --unit=guest.target
fi

chroot . /bin/sh /out/job
poweroff -f
