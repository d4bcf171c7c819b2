package block_test

import (
	"bytes"
	"context"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/respin-project/respin/internal/block"
)

func fill(t *testing.T, p *block.Pool, size int, set ...int) *block.Block {
	t.Helper()
	b, err := p.Get(context.Background(), size)
	if err != nil {
		t.Fatal(err)
	}
	clear(b.Data)
	for _, i := range set {
		b.Data[i] = 1
	}
	return b
}

func TestScan(t *testing.T) {
	p := block.NewPool(1)
	type run struct {
		N    int
		Zero bool
	}
	for _, tt := range []struct {
		size int
		set  []int
		want []run
	}{
		{block.Size, nil, []run{{block.Size, true}}},
		{block.Size, []int{0}, []run{{4096, false}, {block.Size - 4096, true}}},
		{block.Size, []int{block.Size - 1}, []run{{block.Size - 4096, true}, {4096, false}}},
		{10000, []int{4096, 8191}, []run{{4096, true}, {4096, false}, {10000 - 8192, true}}},
		{10000, []int{9999}, []run{{8192, true}, {10000 - 8192, false}}},
		{1, []int{0}, []run{{1, false}}},
	} {
		b := fill(t, p, tt.size, tt.set...)
		if got := b.Scan(); got != (tt.set != nil) {
			t.Errorf("%d bytes with %v set: Scan is %v", tt.size, tt.set, got)
		}
		var got []run
		for off := 0; off < tt.size; {
			n, zero := b.Run(off)
			got = append(got, run{n, zero})
			off += n
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%d bytes with %v set: runs (-want +got):\n%s", tt.size, tt.set, diff)
		}
		b.Release()
	}
}

func TestPieceParts(t *testing.T) {
	p := block.NewPool(2)
	last := fill(t, p, 5000, 0, 4999)
	last.Scan()
	piece := &block.Piece{Size: 2*block.Size + 5000, Blocks: []*block.Block{nil, nil, last}}
	buf := make([]byte, block.Size)
	if got := piece.Part(0, block.Size, buf); got != nil {
		t.Error("the first block is not zero")
	}
	if got := piece.Part(block.Size+7, block.Size-7, nil); got != nil {
		t.Error("the second block is not zero")
	}
	if got := piece.Part(2*block.Size-10, 5, buf); got != nil {
		t.Error("the second block's end is not zero")
	}
	want := append(make([]byte, 10), last.Data[:20]...)
	if got := piece.Part(2*block.Size-10, 30, buf); !bytes.Equal(got, want) {
		t.Errorf("across blocks: %v", got)
	}
	all, err := io.ReadAll(piece.Reader())
	if err != nil || !bytes.Equal(all, append(make([]byte, 2*block.Size), last.Data...)) {
		t.Errorf("reading all gives %d bytes, %v", len(all), err)
	}
	if piece.IsZero() {
		t.Error("the piece is zero")
	}
	piece.Release()
	if len(piece.Blocks) != 0 {
		t.Error("the piece has blocks after its release")
	}
}

// A pool makes readers wait, and lets them go when nobody wants the blocks any more.
func TestPoolBounds(t *testing.T) {
	p := block.NewPool(1)
	b := fill(t, p, 1)
	b.Retain(1)
	b.Release()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if _, err := p.Get(ctx, 1); err == nil {
		t.Fatal("got a block that is in use")
	}
	b.Release()
	if _, err := p.Get(context.Background(), 1); err != nil {
		t.Fatal(err)
	}
}
