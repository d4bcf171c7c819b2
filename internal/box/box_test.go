package box_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/respin-project/respin/internal/block/blocktest"
	"github.com/respin-project/respin/internal/box"
)

// finish returns the box's files and their names in order.
func finish(t *testing.T, b *box.Box, disk []byte) (map[string][]byte, []string) {
	t.Helper()
	f := &blocktest.File{Data: append(make([]byte, b.Head()), disk...)}
	if err := b.Finish(f, int64(len(disk))); err != nil {
		t.Fatal(err)
	}
	var names []string
	files := map[string][]byte{}
	for r := tar.NewReader(bytes.NewReader(f.Data)); ; {
		h, err := r.Next()
		if err == io.EOF {
			return files, names
		} else if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLibvirt(t *testing.T) {
	disk := blocktest.Disk(1, 70_001)
	files, names := finish(t, box.Libvirt(5<<30+1), disk)
	if diff := cmp.Diff([]string{"box.img", "metadata.json", "Vagrantfile"}, names); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	if !bytes.Equal(files["box.img"], disk) {
		t.Error("the disk differs")
	}
	var metadata struct {
		Provider, Format string
		Size             int `json:"virtual_size"` // GiB, rounded up
	}
	if err := json.Unmarshal(files["metadata.json"], &metadata); err != nil {
		t.Fatal(err)
	}
	if metadata.Provider != "libvirt" || metadata.Format != "qcow2" || metadata.Size != 6 {
		t.Errorf("metadata %+v", metadata)
	}
}

func TestVirtualBox(t *testing.T) {
	disk := blocktest.Disk(1, 70_001)
	files, names := finish(t, box.VirtualBox("fedora", 5<<30), disk)
	want := []string{"box-disk001.vmdk", "metadata.json", "Vagrantfile", "box.ovf"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	if !strings.Contains(string(files["Vagrantfile"]), "config.vm.base_mac = \"080027") {
		t.Errorf("Vagrantfile:\n%s", files["Vagrantfile"])
	}
	var e struct {
		File struct {
			Href string `xml:"href,attr"`
			Size int    `xml:"size,attr"`
		} `xml:"References>File"`
	}
	if err := xml.Unmarshal(files["box.ovf"], &e); err != nil {
		t.Fatal(err)
	}
	if e.File.Href != "box-disk001.vmdk" || e.File.Size != len(disk) {
		t.Errorf("reference %+v", e.File)
	}
}
