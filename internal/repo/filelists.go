package repo

import (
	"io"

	"github.com/respin-project/respin/internal/cache"
)

// parseFilelists reads filelists metadata: all files of every package.
func parseFilelists(r io.Reader, algorithm string, each func(cache.Digest, []File) error) error {
	p := newParser(r)
	var files []File
	err := p.document("filelists", func() error {
		if string(p.name) != "package" {
			return p.skip()
		}
		digest, err := cache.NewDigest(algorithm, string(p.attr("pkgid")))
		if err != nil {
			return err
		}
		files = files[:0]
		err = p.children(func() error {
			if string(p.name) != "file" {
				return p.skip()
			}
			return p.file(&files)
		})
		if err != nil {
			return err
		}
		return each(digest, files)
	})
	return malformed("filelists", p.line, err)
}
