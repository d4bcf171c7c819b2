package deflate

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	kflate "github.com/klauspost/compress/flate"
)

// inflate is the reference decoder with a window of 32 KiB.
func inflate(t testing.TB, packed []byte) []byte {
	t.Helper()
	r := bytes.NewReader(packed)
	data, err := io.ReadAll(flate.NewReader(r))
	if err != nil {
		t.Fatalf("the reference decoder fails: %v", err)
	}
	if r.Len() != 0 {
		t.Fatalf("%d bytes follow the end of the stream", r.Len())
	}
	return data
}

// farthest returns how far back the tokens of the last segment reach.
func (e *Encoder) farthest() int {
	far := 0
	for _, t := range e.tokens[:e.count] {
		far = max(far, int(t>>16))
	}
	return far
}

func samples(t testing.TB) map[string][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 200_000)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	skewed := make([]byte, 1<<16) // frequencies that make the longest codes
	for i := range skewed {
		for b := byte(0); ; b++ {
			if r.Uint32()&1 == 0 || b == 200 {
				skewed[i] = b
				break
			}
		}
	}
	var text []byte
	files, _ := filepath.Glob("../*/*.go")
	for _, name := range files {
		file, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, file...)
	}
	far := append(bytes.Clone(noise[:5000]), noise[:5000]...)
	return map[string][]byte{
		"empty": {}, "one": {7}, "two": {7, 7}, "three": {1, 1, 1}, "four": {1, 2, 3, 4},
		"zeros": make([]byte, 1<<16), "zeros and more": make([]byte, 1<<20+5),
		"noise": noise, "skewed": skewed, "text": text, "far": far,
		"edge": noise[:1<<16], "edge+1": noise[:1<<16+1],
	}
}

func TestRoundTrip(t *testing.T) {
	for name, data := range samples(t) {
		for _, window := range []int{1 << 12, 1 << 15} {
			t.Run(fmt.Sprintf("%s/%d", name, window), func(t *testing.T) {
				e := New(window)
				for range 2 { // what it did before must not matter
					packed := e.Encode([]byte("before"), data)
					if !bytes.HasPrefix(packed, []byte("before")) {
						t.Fatal("what was in dst is gone")
					}
					if got := inflate(t, packed[6:]); !bytes.Equal(got, data) {
						t.Fatalf("%d bytes come back as %d others", len(data), len(got))
					}
					if far := e.farthest(); far > window {
						t.Errorf("looks back %d bytes", far)
					}
				}
			})
		}
	}
}

// Sizes within one in a hundred of a compressor for long streams, on the kind
// of data it is made for, show that matches are found and coded well.
func TestRatio(t *testing.T) {
	data := samples(t)["text"][:1<<16]
	ours := len(New(1<<15).Encode(nil, data))
	var theirs bytes.Buffer
	w, _ := kflate.NewWriter(&theirs, 6)
	w.Write(data)
	w.Close()
	if ours > theirs.Len()*101/100 {
		t.Errorf("%d bytes, level 6 of klauspost/compress makes %d", ours, theirs.Len())
	}
}

func TestNoAllocation(t *testing.T) {
	e, data := New(1<<12), samples(t)["text"][:1<<16]
	dst := e.Encode(nil, data)
	if n := testing.AllocsPerRun(10, func() { dst = e.Encode(dst[:0], data) }); n > 1 {
		t.Errorf("%v allocations for one cluster", n)
	}
}

func FuzzRoundTrip(f *testing.F) {
	for _, data := range samples(f) {
		f.Add(data[:min(len(data), 3000)], false)
	}
	f.Fuzz(func(t *testing.T, data []byte, small bool) {
		window := 1 << 15
		if small {
			window = 1 << 8
		}
		e := New(window)
		// Repeated with a change, so that there are matches at all distances.
		data = append(append(bytes.Clone(data), data...), bytes.Repeat(data, 3)...)
		if len(data) > 0 {
			data[len(data)/2]++
		}
		if got := inflate(t, e.Encode(nil, data)); !bytes.Equal(got, data) {
			t.Fatalf("%d bytes come back as %d others", len(data), len(got))
		}
		if far := e.farthest(); far > window {
			t.Errorf("looks back %d bytes", far)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	data := samples(b)["text"][:1<<16]
	for _, window := range []int{1 << 12, 1 << 15} {
		b.Run(fmt.Sprint(window), func(b *testing.B) {
			e := New(window)
			var dst []byte
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				dst = e.Encode(dst[:0], data)
			}
		})
	}
}
