// Package repotest makes small package repositories for tests from metadata
// that is written out in them.
package repotest

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// Newest is the time of all metadata, seconds since 1970.
const Newest = 1790000000

// Index writes repodata/repomd.xml for the metadata files (primary.xml,
// updateinfo.xml …) that lie in dir/repodata.
func Index(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "repodata", "*.xml"))
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString(`<repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>1</revision>`)
	for _, file := range files {
		name := filepath.Base(file)
		kind := strings.TrimSuffix(name, ".xml")
		if kind == "repomd" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, `<data type="%s"><checksum type="sha256">%x</checksum><location href="repodata/%s"/><timestamp>%d</timestamp><size>%d</size></data>`,
			kind, sha256.Sum256(text), name, Newest, len(text))
	}
	b.WriteString("</repomd>\n")
	return os.WriteFile(filepath.Join(dir, "repodata", "repomd.xml"), []byte(b.String()), 0o644)
}

// Commands are for test scripts: "repository DIR..." calls Index.
var Commands = map[string]func(*testscript.TestScript, bool, []string){
	"repository": func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) == 0 {
			ts.Fatalf("usage: repository dir...")
		}
		for _, dir := range args {
			ts.Check(Index(ts.MkAbs(dir)))
		}
	},
}
