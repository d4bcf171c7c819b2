package ec2fake

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

type mappingItem struct {
	Device  string `xml:"deviceName"`
	Delete  bool   `xml:"ebs>deleteOnTermination"`
	ID      string `xml:"ebs>snapshotId"`
	Size    int64  `xml:"ebs>volumeSize"`
	Type    string `xml:"ebs>volumeType"`
	Encrypt bool   `xml:"ebs>encrypted"`
}

type imageItem struct {
	ID           string        `xml:"imageId"`
	Name         string        `xml:"name"`
	Description  string        `xml:"description,omitempty"`
	State        string        `xml:"imageState"`
	Owner        string        `xml:"imageOwnerId"`
	Public       bool          `xml:"isPublic"`
	Architecture string        `xml:"architecture"`
	Boot         string        `xml:"bootMode,omitempty"`
	TPM          string        `xml:"tpmSupport,omitempty"`
	IMDS         string        `xml:"imdsSupport,omitempty"`
	ENA          bool          `xml:"enaSupport"`
	Root         string        `xml:"rootDeviceName"`
	RootType     string        `xml:"rootDeviceType"`
	Virt         string        `xml:"virtualizationType"`
	Created      string        `xml:"creationDate"`
	Deprecated   string        `xml:"deprecationTime,omitempty"`
	Mappings     []mappingItem `xml:"blockDeviceMapping>item"`
	Tags         []tagItem     `xml:"tagSet>item"`
}

func (r *region) item(i *image) imageItem {
	encrypted := false
	if snap := r.snapshots[i.snapshot]; snap != nil {
		encrypted = snap.volume.encrypted
	}
	return imageItem{
		ID: i.id, Name: i.name, Description: i.description, State: i.state(time.Now()), Owner: Account, Public: i.permissions["all"], Architecture: i.architecture,
		Boot: i.boot, TPM: i.tpm, IMDS: i.imds, ENA: i.ena, Root: i.rootDevice, RootType: "ebs", Virt: "hvm", Created: i.created.UTC().Format("2006-01-02T15:04:05.000Z"),
		Deprecated: i.deprecate, Mappings: []mappingItem{{i.rootDevice, true, i.snapshot, i.volumeSize, i.volumeType, encrypted}}, Tags: tagItems(i.tags),
	}
}

func (s *Server) describeImages(r *request) (answer, *failure) {
	ids := r.list("ImageId", "")
	filters, bad := r.filters("name", "state", "is-public", "image-id", "block-device-mapping.snapshot-id", "architecture")
	if bad != nil {
		return nil, bad
	}
	for _, id := range ids {
		if _, bad := r.region.image(id); bad != nil {
			return nil, bad
		}
	}
	var items []imageItem
	for _, id := range sortedKeys(r.region.images) {
		img, bad := r.region.image(id)
		if bad != nil || len(ids) > 0 && !slices.Contains(ids, id) {
			continue
		}
		properties := map[string]string{
			"name": img.name, "state": img.state(time.Now()), "is-public": strconv.FormatBool(img.permissions["all"]), "image-id": id,
			"block-device-mapping.snapshot-id": img.snapshot, "architecture": img.architecture,
		}
		if keep(filters, properties, img.tags) {
			items = append(items, r.region.item(img))
		}
	}
	items, next, bad := page(r, items)
	if bad != nil {
		return nil, bad
	}
	return asEC2(r.op.name, struct {
		Items []imageItem `xml:"imagesSet>item"`
		Next  string      `xml:"nextToken,omitempty"`
	}{items, next}), nil
}

func (s *Server) describeImageAttribute(r *request) (answer, *failure) {
	img, bad := r.region.image(r.values["ImageId"])
	if bad != nil {
		return nil, bad
	}
	if r.values["Attribute"] != "launchPermission" {
		return nil, fail(http.StatusBadRequest, "InvalidRequest", "This fake tells of launchPermission only")
	}
	type item struct {
		Group        string `xml:"group,omitempty"`
		User         string `xml:"userId,omitempty"`
		Organization string `xml:"organizationArn,omitempty"`
	}
	var items []item
	for _, who := range sortedKeys(img.permissions) {
		switch {
		case who == "all":
			items = append(items, item{Group: who})
		case len(who) == 12:
			items = append(items, item{User: who})
		default:
			items = append(items, item{Organization: who})
		}
	}
	return asEC2(r.op.name, struct {
		ID    string `xml:"imageId"`
		Items []item `xml:"launchPermission>item"`
	}{img.id, items}), nil
}

func (s *Server) describeRegions(r *request) (answer, *failure) {
	type item struct {
		Name     string `xml:"regionName"`
		Endpoint string `xml:"regionEndpoint"`
		Status   string `xml:"optInStatus"`
	}
	wanted := r.list("RegionName", "")
	var items []item
	for _, name := range sortedKeys(s.regions) {
		if len(wanted) == 0 || slices.Contains(wanted, name) {
			items = append(items, item{name, "ec2." + name + ".amazonaws.com", "opt-in-not-required"})
		}
	}
	for _, name := range s.options.Disabled {
		if r.values["AllRegions"] == "true" && (len(wanted) == 0 || slices.Contains(wanted, name)) {
			items = append(items, item{name, "ec2." + name + ".amazonaws.com", "not-opted-in"})
		}
	}
	for _, name := range wanted {
		if !slices.ContainsFunc(items, func(i item) bool { return i.Name == name }) {
			return nil, fail(http.StatusBadRequest, "InvalidParameterValue", "Invalid region names [%s]", name)
		}
	}
	return asEC2(r.op.name, struct {
		Items []item `xml:"regionInfo>item"`
	}{items}), nil
}

func (s *Server) getEbsEncryptionByDefault(r *request) (answer, *failure) {
	return asEC2(r.op.name, struct {
		On bool `xml:"ebsEncryptionByDefault"`
	}{s.options.Encrypted[r.region.name]}), nil
}

func (s *Server) getImageBlockPublicAccessState(r *request) (answer, *failure) {
	state := "unblocked"
	if s.options.BlockPublic[r.region.name] {
		state = "block-new-sharing"
	}
	return asEC2(r.op.name, struct {
		State string `xml:"imageBlockPublicAccessState"`
	}{state}), nil
}
