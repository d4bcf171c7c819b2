package mirror

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/manifest"
)

// A Release is a tree that is made of images.
type Release struct {
	URL      string          // where the tree can be read, for the stream files; empty: as the state has it, or paths alone
	Key      *openpgp.Entity // signs the CHECKSUM files; nil: they are not signed
	Unsigned bool            // without a key they lose the signature that they had

	sources map[string]string // local files by their paths in the tree
}

// folder is where an image's files are, as Fedora lays them out.
func folder(i manifest.Image) string {
	return path.Join("releases", i.Version, "Cloud", i.Arch, "images")
}

// Image returns what is published of a manifest: the artifacts of some formats, or
// all but the raw disk.
func (r *Release) Image(m *manifest.Manifest, formats []string) (Image, error) {
	i := Image{Image: m.Image}
	names := map[string]bool{}
	for _, a := range m.Artifacts {
		if formats == nil && a.Format == "raw" || formats != nil && !slices.Contains(formats, a.Format) {
			continue
		}
		if a.SHA256 == "" {
			return i, hint.Wrap(fmt.Errorf("the manifest has no SHA-256 of %s", a.Path), "img-convert makes files that have one")
		}
		st, err := os.Stat(m.Path(a.Path))
		if err != nil {
			return i, err
		}
		if st.Size() != a.Size {
			return i, hint.Wrap(fmt.Errorf("%s has %d bytes, and %d in the manifest", a.Path, st.Size(), a.Size), "the file was changed after it was made")
		}
		name := path.Base(a.Path)
		if !strings.HasPrefix(name, m.Image.Name) { // lock.x86_64.json: every image has one
			name = m.Image.ID() + "." + name
		}
		if names[name] {
			return i, fmt.Errorf("two artifacts would be called %s", name)
		}
		names[name] = true
		p := path.Join(folder(m.Image), name)
		if !local(p) || rank(p) != data {
			return i, fmt.Errorf("%q is no name for a file of a mirror", name)
		}
		if r.sources == nil {
			r.sources = map[string]string{}
		}
		r.sources[p] = m.Path(a.Path)
		i.Files = append(i.Files, Published{Path: p, Format: a.Format, Size: a.Size, SHA256: a.SHA256,
			UncompressedSHA256: a.UncompressedSHA256, ModTime: st.ModTime().Unix()})
	}
	if len(i.Files) == 0 {
		return i, errors.New("it has no artifact to publish")
	}
	for _, p := range m.Publications {
		if p.Kind != "mirror" {
			i.Publications = append(i.Publications, p)
		}
	}
	return i, nil
}

// Files returns the whole tree of a state: data and pointers.
func (r *Release) Files(s *State) ([]File, error) {
	files := map[string]File{}
	for _, i := range s.Images {
		for _, f := range i.Files {
			source := r.sources[f.Path]
			files[f.Path] = File{Path: f.Path, Source: source, Kept: source == "", Size: f.Size, SHA256: f.SHA256, ModTime: time.Unix(f.ModTime, 0)}
		}
	}
	sums, err := r.checksumFiles(s)
	if err != nil {
		return nil, err
	}
	for _, f := range slices.Concat(sums, imagesFiles(s), streamFiles(s)) {
		files[f.Path] = f
	}
	list := timeList(files)
	files[list.Path] = list
	return slices.SortedFunc(maps.Values(files), func(a, b File) int { return strings.Compare(a.Path, b.Path) }), nil
}

// newest is the time of the newest file of images.
func newest(images []Image) time.Time {
	var t int64
	for _, i := range images {
		for _, f := range i.Files {
			t = max(t, f.ModTime)
		}
	}
	return time.Unix(t, 0)
}

// group sorts images by what key says, keeping their order.
func group(images []Image, key func(Image) string) (keys []string, groups map[string][]Image) {
	groups = map[string][]Image{}
	for _, i := range images {
		k := key(i)
		groups[k] = append(groups[k], i)
	}
	return slices.Sorted(maps.Keys(groups)), groups
}

// checksumFiles makes a CHECKSUM file for each folder, as Fedora's are: for each file its
// size in a comment and its digest in the form that sha256sum --check reads.
func (r *Release) checksumFiles(s *State) ([]File, error) {
	var files []File
	folders, in := group(s.Images, func(i Image) string { return folder(i.Image) })
	for _, f := range folders {
		var list []Published
		for _, i := range in[f] {
			list = append(list, i.Files...)
		}
		slices.SortFunc(list, func(a, b Published) int { return strings.Compare(a.Path, b.Path) })
		var b bytes.Buffer
		for _, p := range list {
			name := path.Base(p.Path)
			fmt.Fprintf(&b, "# %s: %d bytes\nSHA256 (%s) = %s\n", name, p.Size, name, p.SHA256)
		}
		of := in[f][0].Image
		at := newest(in[f])
		file, err := r.sign(s, generated(path.Join(f, fmt.Sprintf("Cloud-%s-%s-CHECKSUM", of.Version, of.Arch)), b.Bytes(), at, checksums))
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	return files, nil
}

// sign signs a CHECKSUM file. Without a key the one stays that was signed before;
// if it says something else, it is not what is wanted.
func (r *Release) sign(s *State, f File) (File, error) {
	was, ok := s.Signed[f.Path]
	switch {
	case r.Key != nil:
		text, err := clearSign(f.Data, r.Key, f.ModTime)
		if err != nil {
			return File{}, fmt.Errorf("signing the CHECKSUM file: %w", err)
		}
		signed := generated(f.Path, text, f.ModTime, f.Rank)
		if s.Signed == nil {
			s.Signed = map[string]Signed{}
		}
		s.Signed[f.Path] = Signed{Text: f.SHA256, Size: signed.Size, SHA256: signed.SHA256}
		return signed, nil
	case !ok || r.Unsigned:
		delete(s.Signed, f.Path)
		return f, nil
	case was.Text == f.SHA256:
		f.Size, f.SHA256 = was.Size, was.SHA256
	}
	f.Data, f.Kept = nil, true
	return f, nil
}

// timeList makes the list that quick-fedora-mirror compares instead of asking
// the server for every file: time, type, size and path.
func timeList(files map[string]File) File {
	var at time.Time
	folders := map[string]time.Time{}
	for _, f := range files {
		if f.ModTime.After(at) {
			at = f.ModTime
		}
		for dir := path.Dir(f.Path); dir != "."; dir = path.Dir(dir) {
			if f.ModTime.After(folders[dir]) {
				folders[dir] = f.ModTime
			}
		}
	}
	rows := map[string]string{}
	for p, f := range files {
		rows[p] = fmt.Sprintf("%d\tf\t%d\t%s\n", f.ModTime.Unix(), f.Size, p)
	}
	for p, t := range folders {
		rows[p] = fmt.Sprintf("%d\td\t4096\t%s\n", t.Unix(), p)
	}
	var b bytes.Buffer
	b.WriteString("[Version]\n2\n\n[Files]\n")
	for _, p := range slices.Sorted(maps.Keys(rows)) {
		b.WriteString(rows[p])
	}
	b.WriteString("\n[Checksums SHA1]\n\n[End]\n")
	return generated("fullfiletimelist", b.Bytes(), at, fileList)
}
