package kickstart

import (
	"context"
	"path/filepath"
	"testing"
)

func BenchmarkLoad(b *testing.B) {
	file := filepath.Join(corpus(b), "kickstarts/fedora-f43/fedora-cloud-base.ks")
	for b.Loop() {
		if _, err := new(Loader).Load(context.Background(), file); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTable(b *testing.B) {
	for b.Loop() {
		buildTable("F43")
	}
}
