#!/bin/sh
# Stands in for programs that need a disk while an image's scripts run: the
# disk is made afterwards. What it cannot answer it notes as a request.
here=/run/respin
self=${0##*/}
. $here/plan

request() {
	line=$1
	shift
	for word; do
		line=$line$(printf '\037%s' "$word")
	done
	printf '%s\n' "$line" >>$here/requests
}

refuse() {
	echo "$self: $*: the disk is made after the scripts have run" >&2
	request "$self" "$@"
	exit 1
}

# probe TARGET PATH answers as grub2-probe does.
probe() {
	case $2 in
	/boot*) uuid=$boot_uuid fs=$boot_fs number=$boot_number ;;
	*) uuid=$root_uuid fs=$root_fs number=$root_number ;;
	esac
	case $1 in
	fs_uuid) echo "$uuid" ;;
	fs) echo "$fs" ;;
	device) echo "/dev/vda$number" ;;
	disk) echo /dev/vda ;;
	partmap) echo "$label" ;;
	drive | compatibility_hint) echo "hd0,$label$number" ;;
	abstraction | fs_label | partuuid | hints_string | baremetal_hints | bios_hints) echo ;;
	*) refuse "--target=$1" "$2" ;;
	esac
}

case $self in
grub2-install | grub-install)
	request grub2-install "$@"
	echo "Installation finished. No error reported."
	;;
grub2-probe | grub-probe)
	target=fs path=/
	while [ $# -gt 0 ]; do
		case $1 in
		--target=*) target=${1#--target=} ;;
		-t | --target) shift && target=$1 ;;
		-d | --device | -v | --verbose) ;;
		*) path=$1 ;;
		esac
		shift
	done
	probe "$target" "$path"
	;;
parted)
	words=
	for word; do
		case $word in
		-* | /dev/*) ;;
		*) words="$words $word" ;;
		esac
	done
	case $words in
	" disk_set pmbr_boot on") request pmbr_boot on ;;
	" disk_set pmbr_boot off") request pmbr_boot off ;;
	*) refuse "$@" ;;
	esac
	;;
btrfs)
	case "$1 $2" in
	"filesystem sync" | "fi sync") exit 0 ;;
	esac
	for real in /usr/sbin/btrfs /usr/bin/btrfs; do
		[ -x $real ] && exec $real "$@"
	done
	echo "btrfs: not found" >&2
	exit 127
	;;
esac
