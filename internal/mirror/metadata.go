package mirror

import (
	"encoding/json"
	"path"
	"strings"
	"time"

	"github.com/respin-project/respin/internal/manifest"
)

// kinds are what the formats are called elsewhere: by productmd (type and
// format of an image) and in stream files (platform and format).
var kinds = map[string]struct{ kind, format, platform string }{
	"qcow2":                  {"qcow2", "qcow2", "qemu"},
	"qcow2:zstd":             {"qcow2", "qcow2", "qemu-zstd"},
	"raw":                    {"raw", "raw", "metal"},
	"raw.xz":                 {"raw-xz", "raw.xz", "metal"},
	"raw.zst":                {"raw-zst", "raw.zst", "metal"},
	"raw.gz":                 {"raw-gz", "raw.gz", "metal"},
	"vmdk":                   {"vmdk", "vmdk", "vmware"},
	"ova":                    {"vsphere-ova", "vsphere.ova", "vmware"},
	"vhd":                    {"vpc", "vhd", "azure"},
	"vhd:dynamic":            {"vpc", "vhd", "hyperv"},
	"gce":                    {"gce", "tar.gz", "gcp"},
	"box:libvirt":            {"vagrant-libvirt", "vagrant-libvirt.box", "vagrant-libvirt"},
	"box:virtualbox":         {"vagrant-virtualbox", "vagrant-virtualbox.box", "vagrant-virtualbox"},
	"containerdisk":          {"ociarchive", "ociarchive", "kubevirt"},
	"podman-machine":         {"ociarchive", "ociarchive", "podman-machine"},
	"podman-machine:applehv": {"ociarchive", "ociarchive", "podman-machine-applehv"},
}

// An entry of productmd's images.json (version 1.2; doc/images-1.2.rst of productmd).
type productImage struct {
	Arch       string            `json:"arch"`
	Bootable   bool              `json:"bootable"`
	Checksums  map[string]string `json:"checksums"`
	DiscCount  int               `json:"disc_count"`
	DiscNumber int               `json:"disc_number"`
	Format     string            `json:"format"`
	ImplantMD5 *string           `json:"implant_md5"`
	MTime      int64             `json:"mtime"`
	Path       string            `json:"path"`
	Size       int64             `json:"size"`
	Subvariant string            `json:"subvariant"`
	Type       string            `json:"type"`
	VolumeID   *string           `json:"volume_id"`
}

type object = map[string]any

// imagesFiles makes productmd's images.json for each version.
func imagesFiles(s *State) []File {
	var files []File
	versions, of := group(s.Images, func(i Image) string { return i.Image.Version })
	for _, version := range versions {
		base := path.Join("releases", version)
		arches := map[string][]productImage{}
		for _, i := range of[version] {
			for _, f := range i.Files {
				kind, ok := kinds[f.Format]
				if !ok {
					continue
				}
				arches[i.Image.Arch] = append(arches[i.Image.Arch], productImage{
					Arch: i.Image.Arch, Checksums: map[string]string{"sha256": f.SHA256}, DiscCount: 1, DiscNumber: 1, Format: kind.format,
					MTime: f.ModTime, Path: strings.TrimPrefix(f.Path, base+"/"), Size: f.Size, Subvariant: i.Image.Name, Type: kind.kind,
				})
			}
		}
		at := newest(of[version])
		date := at.UTC().Format("20060102")
		text := encode(object{
			"header": object{"type": "productmd.images", "version": "1.2"},
			"payload": object{
				"compose": object{"date": date, "id": "Cloud-" + version + "-" + date + ".0", "respin": 0, "type": "production"},
				"images":  object{"Cloud": arches},
			},
		})
		files = append(files, generated(path.Join(base, "metadata/images.json"), text, at, metadata))
	}
	return files
}

func encode(v any) []byte {
	text, err := json.MarshalIndent(v, "", "    ")
	if err != nil {
		panic(err) // maps and strings can be written
	}
	return append(text, '\n')
}

// streamFiles makes a file for each image and version as Fedora CoreOS has one
// for each of its streams (stream-metadata-go).
func streamFiles(s *State) []File {
	var files []File
	names, of := group(s.Images, func(i Image) string { return i.Image.Name + "-" + i.Image.Version })
	for _, name := range names {
		arches := object{}
		for _, i := range of[name] {
			arches[i.Image.Arch] = s.streamArch(i)
		}
		at := newest(of[name])
		text := encode(object{
			"stream":        name,
			"metadata":      object{"last-modified": at.UTC().Format(time.RFC3339), "generator": "respin mirror-sync"},
			"architectures": arches,
		})
		files = append(files, generated("streams/"+name+".json", text, at, streams))
	}
	return files
}

func (s *State) streamArch(i Image) object {
	release := i.Image.Version + "-" + i.Image.Release
	artifacts := map[string]object{}
	for _, f := range i.Files {
		kind, ok := kinds[f.Format]
		if !ok {
			continue
		}
		disk := object{"location": s.Location(f.Path), "sha256": f.SHA256}
		if f.UncompressedSHA256 != "" && f.UncompressedSHA256 != f.SHA256 {
			disk["uncompressed-sha256"] = f.UncompressedSHA256
		}
		if artifacts[kind.platform] == nil {
			artifacts[kind.platform] = object{"release": release, "formats": object{}}
		}
		artifacts[kind.platform]["formats"].(object)[kind.format] = object{"disk": disk}
	}
	arch := object{"artifacts": artifacts}
	if images := elsewhere(i, release); len(images) > 0 {
		arch["images"] = images
	}
	return arch
}

// elsewhere are the images at clouds, and at registries by what they are for.
func elsewhere(i Image, release string) object {
	images, regions := object{}, object{}
	for _, p := range i.Publications {
		switch p.Kind {
		case "ami":
			regions[p.Destination] = object{"release": release, "image": p.Reference}
			images["aws"] = object{"regions": regions}
		case "oci":
			images[i.platform(p)] = object{"release": release, "image": p.Reference, "digest-ref": p.Destination + "@" + p.Digest}
		}
	}
	return images
}

// platform is what a registry's image is for: "kubevirt" of a container disk,
// and "container" of what is not also a file of the release.
func (i Image) platform(p manifest.Publication) string {
	for _, f := range i.Files {
		if kind, ok := kinds[f.Format]; ok && f.SHA256 == p.SHA256 {
			return kind.platform
		}
	}
	return "container"
}

// Location is where a file of the tree can be read: its path alone if nobody said.
func (s *State) Location(p string) string {
	if s.URL == "" {
		return p
	}
	return strings.TrimSuffix(s.URL, "/") + "/" + p
}
