package lzma2

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/ulikunitz/xz/lzma"
)

// encode packs the data twice with the same encoder, which must make no
// difference.
func encode(t testing.TB, e *Encoder, data []byte) []byte {
	t.Helper()
	out, err := e.Encode(t.Context(), nil, data)
	if err != nil {
		t.Fatal(err)
	}
	again, err := e.Encode(t.Context(), []byte("before"), data)
	if err != nil || !bytes.Equal(again, append([]byte("before"), out...)) {
		t.Fatalf("the second time it is something else: %v", err)
	}
	return out
}

// decode unpacks with the Go package ulikunitz/xz.
func decode(t testing.TB, packed []byte) []byte {
	t.Helper()
	r, err := lzma.Reader2Config{DictCap: DictSize}.NewReader2(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// decodeXZ unpacks with XZ Utils.
func decodeXZ(t *testing.T, packed []byte) []byte {
	t.Helper()
	cmd := exec.Command("xz", "--format=raw", fmt.Sprintf("--lzma2=dict=%d", DictSize), "--decompress", "--stdout")
	cmd.Stdin = bytes.NewReader(packed)
	data, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// random returns bytes that cannot be packed.
func random(n int) []byte {
	data := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(data)
	return data
}

// words returns text of few words.
func words(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	for b.Len() < n {
		fmt.Fprintf(&b, "%x ", r.IntN(4000)*r.IntN(9))
	}
	return b.Bytes()[:n]
}

func samples(t testing.TB) map[string][]byte {
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	program = program[:min(len(program), 2<<20)]
	return map[string][]byte{
		"nothing":          {},
		"a byte":           {7},
		"two bytes":        {7, 7},
		"short":            []byte("abcabcabcabd"),
		"zeros":            make([]byte, 5<<20),
		"words":            words(1 << 20),
		"random":           random(300_000),
		"random, then not": append(random(70_000), words(200_000)...),
		"words, random, words": append(append(words(100_000), random(200_000)...),
			words(100_000)...),
		"far away": append(append(random(4000), make([]byte, DictSize-8000)...), random(4000)...),
		"program":  program,
	}
}

func TestRoundTrip(t *testing.T) {
	_, err := exec.LookPath("xz")
	if err != nil {
		t.Log("without XZ Utils, which is not installed")
	}
	e := new(Encoder)
	for name, data := range samples(t) {
		t.Run(name, func(t *testing.T) {
			packed := encode(t, e, data)
			if !bytes.Equal(decode(t, packed), data) {
				t.Error("ulikunitz/xz unpacks something else")
			}
			if err == nil && !bytes.Equal(decodeXZ(t, packed), data) {
				t.Error("xz unpacks something else")
			}
			// Three bytes for every 64 KiB that could not be packed, and the end.
			if limit := len(data) + len(data)/60_000*3 + 4; len(packed) > limit {
				t.Errorf("%d bytes became %d", len(data), len(packed))
			}
		})
	}
}

// TestSize holds the size to that of the preset -6 of XZ Utils.
func TestSize(t *testing.T) {
	if _, err := exec.LookPath("xz"); err != nil {
		t.Skip("XZ Utils is not installed")
	}
	e := new(Encoder)
	for _, name := range []string{"program", "words", "zeros", "far away"} {
		data := samples(t)[name]
		cmd := exec.Command("xz", "--format=raw", "--lzma2=preset=6", "--stdout")
		cmd.Stdin = bytes.NewReader(data)
		theirs, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		ours := encode(t, e, data)
		t.Logf("%s: %d bytes became %d, %.1f %% more than xz's %d", name, len(data), len(ours),
			100*float64(len(ours)-len(theirs))/float64(len(theirs)), len(theirs))
		if len(ours) > len(theirs)+len(theirs)/25+1000 {
			t.Errorf("%s: %d bytes, xz %d", name, len(ours), len(theirs))
		}
	}
}

func TestRefused(t *testing.T) {
	e := new(Encoder)
	if _, err := e.Encode(t.Context(), nil, make([]byte, DictSize+1)); err == nil || !strings.Contains(err.Error(), "more than 25165824") {
		t.Errorf("too much: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Encode(ctx, nil, words(1000)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("abcabcabcabd"), uint16(3), byte(1))
	f.Add(random(200), uint16(900), byte(7))
	e := new(Encoder)
	f.Fuzz(func(t *testing.T, part []byte, times uint16, step byte) {
		// Small inputs reach the ends of chunks when they are repeated, changed a little each time.
		var data []byte
		part = bytes.Clone(part)
		for i := 0; i < int(times) && len(data) < 1<<20; i++ {
			data = append(data, part...)
			if len(part) > 0 {
				part[i*int(step)%len(part)] += step
			}
		}
		if !bytes.Equal(decode(t, encode(t, e, data)), data) {
			t.Error("it unpacks to something else")
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	data := samples(b)["program"]
	e := new(Encoder)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := e.Encode(b.Context(), nil, data); err != nil {
			b.Fatal(err)
		}
	}
}
