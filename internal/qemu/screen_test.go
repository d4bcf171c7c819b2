package qemu

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDecodePPM(t *testing.T) {
	picture, err := decodePPM(strings.NewReader("P6\n2 1\n255\n\x01\x02\x03\xff\x00\x80"))
	if err != nil {
		t.Fatal(err)
	}
	if r, g, b, _ := picture.At(1, 0).RGBA(); picture.Bounds().Dx() != 2 || r>>8 != 0xff || g != 0 || b>>8 != 0x80 {
		t.Errorf("pixel is %x %x %x", r, g, b)
	}
	for _, bad := range []string{"", "P5\n1 1\n255\n\x00", "P6\n1000000 1000000\n255\n", "P6\n2 2\n255\n\x00", "P6\n0 0\n255\n", "P6\n1 1\n65535\n\x00\x00"} {
		if _, err := decodePPM(strings.NewReader(bad)); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestScreenText(t *testing.T) {
	cells := bytes.Repeat([]byte{0, 7}, textSize/2)
	for i, c := range []byte("No bootable device.\x1b\xff|") {
		cells[2*(textColumns+i)] = c
	}
	if diff := cmp.Diff("\nNo bootable device.  |", screenText(cells)); diff != "" {
		t.Error(diff)
	}
	if got := screenText(cells[:100]); got != "" {
		t.Errorf("less than a row gives %q", got)
	}
}

func FuzzDecodePPM(f *testing.F) {
	f.Add([]byte("P6\n2 1\n255\n\x01\x02\x03\xff\x00\x80"))
	f.Add([]byte("P6\n99999 99999\n255\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if picture, err := decodePPM(bytes.NewReader(data)); err == nil && picture.Bounds().Dx()*picture.Bounds().Dy()*3 > len(data) {
			t.Error("there are more pixels than bytes")
		}
		screenText(data)
	})
}
