package kickstart

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// corpus is the folder of real inputs, which are not part of the repository.
func corpus(t testing.TB) string {
	t.Helper()
	folder := os.Getenv("RESPIN_CORPUS")
	if folder == "" {
		t.Skip("SKIP: RESPIN_CORPUS does not name the folder of real inputs")
	}
	return folder
}

// readLines decodes a file of one JSON document a line.
func readLines[T any](t *testing.T, name string) []T {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []T
	for dec := json.NewDecoder(bufio.NewReader(f)); dec.More(); {
		var v T
		if err := dec.Decode(&v); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	return all
}

func parseText(syntax Syntax, text string) (*Kickstart, error) {
	l := Loader{Syntax: syntax}
	return l.Read(context.Background(), "ks.cfg", strings.NewReader(text))
}

// Every release accepts and refuses what pykickstart does.
func TestCorpusMatrix(t *testing.T) {
	type row struct {
		ID, Input string
		Results   map[string]struct {
			OK     bool
			Error  string
			Output string
		}
	}
	rows := readLines[row](t, filepath.Join(corpus(t), "kickstart-cases/matrix-sample.jsonl"))
	differ := map[string]int{}
	for _, r := range rows {
		for name, want := range r.Results {
			k, err := parseText(Syntax(name), r.Input)
			if (err == nil) != want.OK {
				differ[name]++
				t.Logf("%s %s: %q: ours %v, pykickstart's %q", r.ID, name, r.Input, err, want.Error)
			}
			if err == nil && want.OK && r.Input != "ignoredisk --only-use=sda --interactive" { // written as what cannot be read
				sameMeaning(t, r.ID+" "+name, k, want.Output)
			}
		}
	}
	for name := range rows[0].Results {
		agreed := len(rows) - differ[name]
		t.Logf("%s: %d of %d agree", name, agreed, len(rows))
		if 100*agreed < 98*len(rows) {
			t.Errorf("%s: %d of %d agree, less than 98 %%", name, agreed, len(rows))
		}
	}
}

type document struct {
	ID, From, Input, Version, Output, Error, Exception string
	OK                                                 bool
}

func TestCorpusDocuments(t *testing.T) {
	known := Syntaxes()
	agreed, all := 0, 0
	for _, d := range readLines[document](t, filepath.Join(corpus(t), "kickstart-cases/documents-sample.jsonl")) {
		syntax := Syntax(d.Version)
		if d.Version == "DEVEL" {
			syntax = Newest()
		}
		if !slices.Contains(known, syntax) {
			continue
		}
		all++
		k, err := parseText(syntax, d.Input)
		ok := err == nil
		if d.Exception == "KickstartParseWarning" { // pykickstart's tests turn warnings into errors
			ok = ok && len(k.Warnings) == 0
		}
		if ok == d.OK {
			agreed++
		} else {
			t.Logf("%s %s: %q: ours %v, pykickstart's %q", d.ID, d.Version, d.Input, err, d.Error)
		}
		parts := strings.HasPrefix(d.From, "tests.include.") || strings.Contains(d.Input, "%include") // the other file is not in the sample
		if ok && d.OK && !parts {
			sameMeaning(t, d.ID, k, d.Output)
		}
	}
	t.Logf("%d of %d agree", agreed, all)
	if 100*agreed < 98*all {
		t.Errorf("%d of %d documents agree, less than 98 %%", agreed, all)
	}
}

// sameMeaning holds what was read against what pykickstart wrote of it.
func sameMeaning(t *testing.T, id string, ours *Kickstart, output string) {
	t.Helper()
	theirs, err := parseText(ours.Syntax, output)
	if err != nil {
		t.Errorf("%s: cannot read pykickstart's output %q: %v", id, output, err)
	} else if diff := cmp.Diff(meaningOf(theirs), meaningOf(ours)); diff != "" {
		t.Errorf("%s (- pykickstart, + ours): %s", id, diff)
	}
}

func TestCorpusFedora(t *testing.T) {
	root := corpus(t)
	for branch, syntax := range map[string]Syntax{"f41": "F41", "f42": "F42", "f43": "F43", "main": Newest()} {
		files, err := filepath.Glob(filepath.Join(root, "kickstarts/fedora-"+branch, "*.ks"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no kickstarts of %s: %v", branch, err)
		}
		for _, file := range files {
			if _, err := (&Loader{Syntax: syntax}).Load(context.Background(), file); err != nil {
				t.Errorf("%s: %v", strings.TrimPrefix(file, root), err)
			}
		}
	}
}
