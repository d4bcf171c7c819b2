package convert

import (
	"fmt"
	"path/filepath"

	"github.com/respin-project/respin/internal/block"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/report"
)

// An output is a file to be made.
type output struct {
	Format
	file     *file
	wrapper  wrapper
	task     *report.Task
	artifact manifest.Artifact
}

// prepare looks for what stands in the way before any work is done, and creates the files.
func (r *run) prepare() error {
	data, work, err := r.survey()
	if err != nil {
		return err
	}
	if err := checkSpace(r.Folder, r.Formats, r.Disk.size, data); err != nil {
		return err
	}
	for _, f := range r.Formats {
		o := &output{Format: f}
		if f.wrap != nil {
			if o.wrapper, err = f.wrap(&r.Disk); err != nil {
				return fmt.Errorf("%s: %w", f.Name, err)
			}
		}
		name := r.Disk.Name + "." + f.Ext
		path := filepath.Join(r.Folder, name)
		if sameFile(path, r.From) {
			return hint.Wrap(fmt.Errorf("%s is the disk that is to be converted", path), "choose another folder with --output")
		}
		if o.file, err = createFile(path); err != nil {
			return err
		}
		o.task = r.Report.Task(name, work, report.Bytes)
		o.artifact = manifest.Artifact{
			Path:        name,
			Format:      f.Name,
			MediaType:   f.MediaType,
			VirtualSize: f.virtual(r.Disk.size),
		}
		r.outputs = append(r.outputs, o)
		if f.disk.kind == "raw" {
			if err := o.file.allocate(r.Disk.size); err != nil {
				return err
			}
		}
		// What stands before the stream is written when all is known of it.
		if err := o.file.Skip(o.wrapper.head); err != nil {
			return err
		}
	}
	return nil
}

// survey finds how large the disk is and where it has data, and returns how
// much that is, and how much of the disk will be read for it, in bytes.
func (r *run) survey() (data, work int64, err error) {
	r.Disk.size = r.Source.Size()
	read := int64(0) // the end of the last block that is read
	for off := int64(0); off < r.Disk.size; {
		start, end, err := r.Source.Extent(off)
		if err != nil {
			return 0, 0, err
		}
		if end <= off { // nothing more, or a source that makes no headway
			break
		}
		data += end - start
		from := max(start&^(block.Size-1), read)
		read = min((end+block.Size-1)&^(block.Size-1), r.Disk.size)
		work += max(read-from, 0)
		off = end
	}
	return data, work, nil
}

// discard drops what was not finished.
func (r *run) discard() {
	for _, o := range r.outputs {
		o.file.discard()
		o.task.Drop()
	}
}
