package ec2fake

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// An image is one of a region.
type image struct {
	id, name, description string
	architecture          string
	boot, tpm, imds       string
	ena                   bool
	rootDevice            string
	volumeType            string
	volumeSize            int64
	snapshot              string
	source                string // REGION/AMI that it was copied from
	tags                  map[string]string
	permissions           map[string]bool // "all", account numbers, organisations' ARNs
	deprecate             string
	created               time.Time
	visible               time.Time
	ready                 time.Time
}

func (i *image) state(now time.Time) string {
	if now.Before(i.ready) {
		return "pending"
	}
	return "available"
}

func (r *region) image(id string) (*image, *failure) {
	img := r.images[id]
	if img == nil || time.Now().Before(img.visible) {
		return nil, fail(http.StatusBadRequest, "InvalidAMIID.NotFound", "The image id '[%s]' does not exist", id)
	}
	return img, nil
}

var imageName = regexp.MustCompile(`^[A-Za-z0-9()\[\] ./\-'@_]{3,128}$`)

func (s *Server) registerImage(r *request) (answer, *failure) {
	now := time.Now()
	img := &image{
		id: newID("ami-"), name: r.values["Name"], description: r.values["Description"], architecture: r.values["Architecture"], boot: r.values["BootMode"],
		tpm: r.values["TpmSupport"], imds: r.values["ImdsSupport"], ena: r.values["EnaSupport"] == "true", rootDevice: r.values["RootDeviceName"],
		tags: r.specified("image"), permissions: map[string]bool{}, created: now, visible: now.Add(s.options.Hidden), ready: now.Add(s.options.Ready),
	}
	if !imageName.MatchString(img.name) {
		return nil, fail(http.StatusBadRequest, "InvalidAMIName.Malformed", "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, and ( ) [ ] . / - ' @ _")
	}
	for _, id := range sortedKeys(r.region.images) {
		if r.region.images[id].name == img.name {
			return nil, fail(http.StatusBadRequest, "InvalidAMIName.Duplicate", "AMI name %s is already in use by AMI %s", img.name, id)
		}
	}
	if bad := img.machine(r); bad != nil {
		return nil, bad
	}
	if bad := img.root(r); bad != nil {
		return nil, bad
	}
	r.region.images[img.id] = img
	return asEC2(r.op.name, struct {
		ID string `xml:"imageId"`
	}{img.id}), nil
}

// machine checks what is said of the machine.
func (i *image) machine(r *request) *failure {
	switch {
	case r.values["VirtualizationType"] != "hvm":
		return fail(http.StatusBadRequest, "InvalidParameterCombination", "Images registered from a snapshot need the virtualization type hvm")
	case i.architecture == "arm64" && i.boot != "uefi" && i.boot != "":
		return fail(http.StatusBadRequest, "InvalidParameterCombination", "The boot mode %s is not supported for arm64", i.boot)
	case i.tpm != "" && i.boot != "uefi":
		return fail(http.StatusBadRequest, "InvalidParameterCombination", "TpmSupport needs the boot mode uefi")
	case len(i.description) > 255:
		return fail(http.StatusBadRequest, "InvalidParameterValue", "The description is longer than 255 characters")
	}
	return nil
}

// root checks the block device mapping and takes the root volume from it.
func (i *image) root(r *request) *failure {
	for n, device := range r.list("BlockDeviceMapping", ".DeviceName") {
		if device != i.rootDevice {
			continue
		}
		prefix := "BlockDeviceMapping." + strconv.Itoa(n+1) + ".Ebs."
		snap, bad := r.region.see(r.values[prefix+"SnapshotId"])
		if bad != nil {
			return bad
		}
		if state := snap.state(time.Now()); state != "completed" {
			return fail(http.StatusBadRequest, "IncorrectState", "Snapshot is in invalid state - %s", state)
		}
		i.snapshot, i.volumeType, i.volumeSize = snap.id, r.values[prefix+"VolumeType"], snap.volume.gib
		if v, ok := r.values[prefix+"VolumeSize"]; ok {
			i.volumeSize, _ = strconv.ParseInt(v, 10, 64)
		}
		if i.volumeSize < snap.volume.gib {
			return fail(http.StatusBadRequest, "InvalidBlockDeviceMapping", "Volume of size %dGB is smaller than snapshot '%s', expect size >= %dGB", i.volumeSize, snap.id, snap.volume.gib)
		}
		return nil
	}
	return fail(http.StatusBadRequest, "InvalidBlockDeviceMapping", "No mapping for the root device %s", i.rootDevice)
}

func (s *Server) copyImage(r *request) (answer, *failure) {
	from := s.regions[r.values["SourceRegion"]]
	if from == nil {
		return nil, fail(http.StatusBadRequest, "InvalidParameterValue", "There is no region %s", r.values["SourceRegion"])
	}
	old, bad := from.image(r.values["SourceImageId"])
	if bad != nil {
		return nil, bad
	}
	now := time.Now()
	if old.state(now) != "available" {
		return nil, fail(http.StatusBadRequest, "InvalidAMIID.Unavailable", "The image id '[%s]' is not available", old.id)
	}
	token := r.region.name + " " + r.values["ClientToken"]
	done := asEC2
	if made := s.copies[token]; made != nil && r.values["ClientToken"] != "" {
		return done(r.op.name, struct {
			ID string `xml:"imageId"`
		}{made.id}), nil
	}
	if s.options.Quotas && r.region.copying(now) >= maxCopies {
		return nil, fail(http.StatusBadRequest, "ResourceLimitExceeded", "Too many snapshot copies in progress. The limit is %d for this destination region.", maxCopies)
	}
	img := *old
	img.id, img.name, img.description, img.source = newID("ami-"), r.values["Name"], r.values["Description"], from.name+"/"+old.id
	img.tags, img.permissions, img.deprecate = r.specified("image"), map[string]bool{}, ""
	img.created, img.visible, img.ready = now, now.Add(s.options.Hidden), now.Add(s.options.Copying)
	source := from.snapshots[old.snapshot]
	snap := &snapshot{
		id: newID("snap-"), description: "Copied for DestinationAmi " + img.id, tags: r.specified("snapshot"), volume: source.volume,
		started: now, visible: now.Add(s.options.Hidden), sealed: now, ready: img.ready,
	}
	img.snapshot = snap.id
	r.region.snapshots[snap.id], r.region.images[img.id] = snap, &img
	s.copies[token] = &img
	return done(r.op.name, struct {
		ID string `xml:"imageId"`
	}{img.id}), nil
}

// copying is how many copies into the region are not done.
func (r *region) copying(now time.Time) int {
	n := 0
	for _, img := range r.images {
		if img.source != "" && img.state(now) == "pending" {
			n++
		}
	}
	return n
}

func (s *Server) deregisterImage(r *request) (answer, *failure) {
	img, bad := r.region.image(r.values["ImageId"])
	if bad != nil {
		return nil, fail(http.StatusBadRequest, "InvalidAMIID.Unavailable", "The image id '[%s]' is no longer available", r.values["ImageId"])
	}
	delete(r.region.images, img.id)
	maps.DeleteFunc(s.copies, func(_ string, made *image) bool { return made.id == img.id })
	return asEC2(r.op.name, struct {
		Return bool `xml:"return"`
	}{true}), nil
}

func (s *Server) enableImageDeprecation(r *request) (answer, *failure) {
	img, bad := r.region.image(r.values["ImageId"])
	if bad != nil {
		return nil, bad
	}
	at, err := time.Parse(time.RFC3339, r.values["DeprecateAt"])
	switch {
	case err != nil:
		return nil, fail(http.StatusBadRequest, "InvalidParameterValue", "Value (%s) for parameter DeprecateAt is invalid.", r.values["DeprecateAt"])
	case time.Until(at) < -time.Minute:
		return nil, fail(http.StatusBadRequest, "InvalidParameterValue", "The deprecation date is in the past")
	case time.Until(at) > 10*366*24*time.Hour:
		return nil, fail(http.StatusBadRequest, "InvalidParameterValue", "The deprecation date is more than ten years away")
	}
	img.deprecate = at.UTC().Format("2006-01-02T15:04:00.000Z")
	return asEC2(r.op.name, struct {
		Return bool `xml:"return"`
	}{true}), nil
}

func (s *Server) modifyImageAttribute(r *request) (answer, *failure) {
	img, bad := r.region.image(r.values["ImageId"])
	if bad != nil {
		return nil, bad
	}
	if img.state(time.Now()) != "available" {
		return nil, fail(http.StatusBadRequest, "InvalidAMIID.Unavailable", "The image id '[%s]' is not available", img.id)
	}
	groups := r.list("LaunchPermission.Add", ".Group")
	if slices.Contains(groups, "all") {
		if bad := s.publish(r.region, img); bad != nil {
			return nil, bad
		}
	}
	for i := 1; ; i++ {
		prefix := "LaunchPermission.Add." + strconv.Itoa(i) + "."
		given := false
		for _, kind := range []string{"Group", "UserId", "OrganizationArn", "OrganizationalUnitArn"} {
			if v, ok := r.values[prefix+kind]; ok {
				given = true
				if kind == "UserId" && len(v) != 12 {
					return nil, fail(http.StatusBadRequest, "InvalidAMIAttributeItemValue", "Invalid attribute item value \"%s\" for userId item type.", v)
				}
				img.permissions[v] = true
			}
		}
		if !given {
			break
		}
	}
	return asEC2(r.op.name, struct {
		Return bool `xml:"return"`
	}{true}), nil
}

// publish checks whether an image may be made public.
func (s *Server) publish(r *region, img *image) *failure {
	public := 0
	for _, other := range r.images {
		if other.permissions["all"] && other != img {
			public++
		}
	}
	switch {
	case s.options.BlockPublic[r.name]:
		return fail(http.StatusBadRequest, "OperationNotPermitted", "You can't publicly share this image because block public access for AMIs is enabled in this Region.")
	case public >= s.options.PublicQuota:
		return fail(http.StatusBadRequest, "ResourceLimitExceeded", "You have reached the limit of %d public images", s.options.PublicQuota)
	case r.snapshots[img.snapshot].volume.encrypted:
		return fail(http.StatusBadRequest, "InvalidParameter", "Images with encrypted snapshots cannot be made public")
	}
	return nil
}
