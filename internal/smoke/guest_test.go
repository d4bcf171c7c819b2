package smoke

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/respin-project/respin/internal/qemu"
	"github.com/respin-project/respin/internal/manifest"
	"github.com/respin-project/respin/internal/report"
)

func TestTry(t *testing.T) {
	e, err := qemu.Find("x86_64")
	if err != nil {
		t.Fatal(err)
	}
	tester := &Tester{Emulator: e, Accelerator: qemu.TCG, CPUs: 2, Memory: 1 << 30, Timeout: 5 * time.Minute, Report: report.New(os.Stderr, "smoke", report.Lines, os.Getenv)}
	im := &Image{Name: os.Getenv("GUEST"), Path: filepath.Join(os.Getenv("RESPIN_GUESTS"), os.Getenv("GUEST")+".raw"), Format: "raw"}
	if im.Name == "tiny" { im.Smoke.User = "fedora" }
	var fw *qemu.Firmware
	if os.Getenv("UEFI") != "" { fw, _ = e.UEFI() }
	im.Smoke.Tests = []manifest.SmokeTest{{Name: "say", Command: "echo hello", Stdout: "hel+o"}}
	res, ev, err := tester.Test(context.Background(), im, fw)
	b, _ := json.MarshalIndent(res, "", " ")
	fmt.Println(string(b), err)
	if ev != nil {
		fmt.Println(ev.Write("/tmp/smoke/bundle-"+im.Name, im.Name, res))
	}
}
