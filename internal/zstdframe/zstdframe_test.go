package zstdframe

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/respin-project/respin/internal/block/blocktest"
)

func samples(t testing.TB) map[string][]byte {
	var text []byte
	files, _ := filepath.Glob("../*/*.go")
	for _, name := range files {
		file, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, file...)
	}
	r := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 70_000)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	skewed := make([]byte, 1<<16) // long literal and match codes, no matches to speak of
	for i := range skewed {
		for b := byte(0); ; b++ {
			if r.Uint32()&1 == 0 || b == 200 {
				skewed[i] = b
				break
			}
		}
	}
	pairs := make([]byte, 1<<16) // very many short matches
	for i := 0; i < len(pairs); i += 5 {
		copy(pairs[i:], noise[r.IntN(300)*5:][:5])
	}
	repeats := bytes.Repeat([]byte("abcdefgh12345678"), 5000) // one match that is very long
	return map[string][]byte{
		"empty": {}, "one": {7}, "two": {7, 7}, "eight": []byte("12345678"), "twenty": []byte("12345678901234567890"),
		"zeros": make([]byte, 1<<16), "more zeros": make([]byte, 300_000), "noise": noise, "skewed": skewed, "pairs": pairs,
		"text": text[:1<<16], "long text": text[:200_001], "repeats": repeats, "edge": text[:1<<16+1],
		"mixed": append(append(bytes.Clone(noise[:30_000]), text[:20_000]...), noise[:15_536]...),
	}
}

func TestRoundTrip(t *testing.T) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	all := samples(t)
	for i := range 30 {
		all[string(rune('A'+i))] = blocktest.Disk(uint64(i), 1<<16-i*1000)
	}
	e := New()
	for name, data := range all {
		packed := e.Encode([]byte("before"), data)
		if !bytes.HasPrefix(packed, []byte("before")) {
			t.Fatal("what was in dst is gone")
		}
		got, err := dec.DecodeAll(packed[6:], nil)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: %d bytes come back as %d, %v", name, len(data), len(got), err)
		}
		checkProgram(t, packed[6:], data)
	}
}

// checkProgram holds a frame against the reference implementation.
func checkProgram(t *testing.T, packed, data []byte) {
	t.Helper()
	tool, err := exec.LookPath("zstd")
	if err != nil {
		return
	}
	cmd := exec.Command(tool, "-q", "-dc")
	cmd.Stdin = bytes.NewReader(packed)
	if got, err := cmd.Output(); err != nil || !bytes.Equal(got, data) {
		t.Errorf("zstd unpacks %d bytes, %v", len(got), err)
	}
}

// What came before must not matter.
func TestRepeatable(t *testing.T) {
	all := samples(t)
	e := New()
	for name, data := range all {
		want := New().Encode(nil, data)
		if got := e.Encode(nil, data); !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, the first time %d", name, len(got), len(want))
		}
	}
}

// Smaller than what the library makes at its fastest, with its much larger tables.
func TestRatio(t *testing.T) {
	lib, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false))
	if err != nil {
		t.Fatal(err)
	}
	data := samples(t)["text"]
	ours, theirs := len(New().Encode(nil, data)), len(lib.EncodeAll(data, nil))
	if ours > theirs {
		t.Errorf("%d bytes, klauspost/compress makes %d", ours, theirs)
	}
}

func TestNoAllocation(t *testing.T) {
	e, data := New(), samples(t)["text"]
	dst := e.Encode(nil, data)
	if n := testing.AllocsPerRun(10, func() { dst = e.Encode(dst[:0], data) }); n > 1 {
		t.Errorf("%v allocations for one cluster", n)
	}
}

func TestNormalize(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for range 2000 {
		counts := make([]uint32, 1+r.IntN(maxSymbols))
		total := uint32(0)
		for i := range counts {
			if r.IntN(3) > 0 {
				counts[i] = uint32(r.ExpFloat64() * r.ExpFloat64() * 20)
				total += counts[i]
			}
		}
		if total < fewSymbols {
			continue
		}
		log := tableLog(int(total), len(counts)-1, 9)
		norm := make([]int16, len(counts))
		normalize(counts, total, log, norm)
		sum := 0
		for i, n := range norm {
			if (n > 0) != (counts[i] > 0) {
				t.Fatalf("%v becomes %v", counts, norm)
			}
			sum += int(n)
		}
		if sum != 1<<log {
			t.Fatalf("%v becomes %v, of which the sum is %d, not %d", counts, norm, sum, 1<<log)
		}
	}
}

func FuzzRoundTrip(f *testing.F) {
	for _, data := range samples(f) {
		f.Add(data[:min(len(data), 3000)])
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		f.Fatal(err)
	}
	e := New()
	f.Fuzz(func(t *testing.T, data []byte) {
		data = append(append(bytes.Clone(data), data...), bytes.Repeat(data, 3)...)
		if len(data) > 0 {
			data[len(data)/2]++
		}
		got, err := dec.DecodeAll(e.Encode(nil, data), nil)
		if err != nil || !bytes.Equal(got, data) {
			t.Fatalf("%d bytes come back as %d, %v", len(data), len(got), err)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	e, data := New(), samples(b)["text"]
	var dst []byte
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		dst = e.Encode(dst[:0], data)
	}
}
