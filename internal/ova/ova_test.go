package ova_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/respin-project/respin/internal/block/blocktest"
	"github.com/respin-project/respin/internal/ova"
)

// The rules of DSP0243 1.1.0: the descriptor comes first, then the manifest,
// then the files in the order of the references; the manifest has the digest
// of everything else; sizes and links agree.
func TestPackage(t *testing.T) {
	disk := blocktest.Disk(1, 100_001) // stands for the VMDK, which is nothing to the package
	a, err := ova.New("fedora-43&1", 5<<30)
	if err != nil {
		t.Fatal(err)
	}
	f := &blocktest.File{Data: append(make([]byte, a.Head()), disk...)}
	if err := a.Finish(f, int64(len(disk))); err != nil {
		t.Fatal(err)
	}
	var names []string
	files := map[string][]byte{}
	for r := tar.NewReader(bytes.NewReader(f.Data)); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"fedora-43&1.ovf", "fedora-43&1.mf", "fedora-43&1-disk1.vmdk"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Fatalf("members (-want +got):\n%s", diff)
	}
	sums := fmt.Sprintf("SHA256(%s)= %x\nSHA256(%s)= %x\n", want[0], sha256.Sum256(files[want[0]]), want[2], sha256.Sum256(disk))
	if diff := cmp.Diff(sums, string(files[want[1]])); diff != "" {
		t.Errorf("manifest (-want +got):\n%s", diff)
	}
	if !bytes.Equal(files[want[2]], disk) {
		t.Error("the disk differs")
	}
	checkDescriptor(t, files[want[0]], want[2], len(disk))
}

// envelope is what the test wants to know of a descriptor.
type envelope struct {
	XMLName xml.Name `xml:"http://schemas.dmtf.org/ovf/envelope/1 Envelope"`
	File    struct {
		Href string `xml:"href,attr"`
		ID   string `xml:"id,attr"`
		Size int    `xml:"size,attr"`
	} `xml:"References>File"`
	Disk struct {
		Capacity int64  `xml:"capacity,attr"`
		ID       string `xml:"diskId,attr"`
		FileRef  string `xml:"fileRef,attr"`
		Format   string `xml:"format,attr"`
	} `xml:"DiskSection>Disk"`
	Network struct {
		Name string `xml:"name,attr"`
	} `xml:"NetworkSection>Network"`
	Items []item `xml:"VirtualSystem>VirtualHardwareSection>Item"`
}

type item struct {
	InstanceID   int
	ResourceType int
	Parent       int
	HostResource string
	Connection   string
}

func checkDescriptor(t *testing.T, raw []byte, disk string, size int) {
	t.Helper()
	var e envelope
	if err := xml.Unmarshal(raw, &e); err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	if e.File.Href != disk || e.File.Size != size || e.Disk.FileRef != e.File.ID || e.Disk.Capacity != 5<<30 {
		t.Errorf("file %+v, disk %+v", e.File, e.Disk)
	}
	if !strings.HasSuffix(e.Disk.Format, "#streamOptimized") {
		t.Errorf("format %q", e.Disk.Format)
	}
	byID := map[int]item{}
	types := map[int]int{}
	for _, i := range e.Items {
		if _, twice := byID[i.InstanceID]; twice {
			t.Errorf("instance %d stands there twice", i.InstanceID)
		}
		byID[i.InstanceID] = i
		types[i.ResourceType]++
		if i.HostResource != "" && i.HostResource != "ovf:/disk/"+e.Disk.ID {
			t.Errorf("host resource %q", i.HostResource)
		}
		if i.Connection != "" && i.Connection != e.Network.Name {
			t.Errorf("connection %q", i.Connection)
		}
		if _, ok := byID[i.Parent]; i.Parent != 0 && !ok {
			t.Errorf("item %d has the parent %d, which does not come before it", i.InstanceID, i.Parent)
		}
	}
	// Processors, memory, SCSI controller, disk, network.
	if diff := cmp.Diff(map[int]int{3: 1, 4: 1, 6: 1, 17: 1, 10: 1}, types); diff != "" {
		t.Errorf("resource types (-want +got):\n%s", diff)
	}
	// The schema orders an item's elements by their names.
	for _, text := range strings.Split(string(raw), "<Item>")[1:] {
		var elements []string
		for line := range strings.SplitSeq(text, "\n") {
			if name, ok := strings.CutPrefix(strings.TrimSpace(line), "<rasd:"); ok {
				name, _, _ = strings.Cut(name, ">")
				elements = append(elements, name)
			}
		}
		for i := 1; i < len(elements); i++ {
			if elements[i] <= elements[i-1] {
				t.Errorf("%s comes after %s", elements[i], elements[i-1])
			}
		}
	}
}

func TestLongName(t *testing.T) {
	if _, err := ova.New(strings.Repeat("n", 120), 1<<20); err == nil || !strings.Contains(err.Error(), "is longer than the 100 bytes") {
		t.Errorf("got %v", err)
	}
}
