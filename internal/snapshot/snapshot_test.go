package snapshot_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/respin-project/respin/internal/account"
	"github.com/respin-project/respin/internal/ec2fake"
	"github.com/respin-project/respin/internal/ec2fake/ec2test"
	"github.com/respin-project/respin/internal/snapshot"
	"github.com/respin-project/respin/internal/source"
)

// writer writes a disk in a file into us-east-1.
func writer(t *testing.T, path string) *snapshot.Writer {
	t.Helper()
	a, err := account.Open(context.Background(), os.Getenv, 8)
	if err != nil {
		t.Fatal(err)
	}
	a.Patience = account.Patience{
		Attempt: 2 * time.Second, Tries: 3, Outage: time.Second, Unseen: 2 * time.Second, Settle: 300 * time.Millisecond, First: time.Millisecond, Longest: 10 * time.Millisecond,
	}
	disk, err := source.Open(context.Background(), path, t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { disk.Close() })
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	return &snapshot.Writer{
		Region: a.Region("us-east-1"), Disk: disk, SHA256: hex.EncodeToString(sum[:]), Description: "test", Workers: 8, Journal: path + ".journal",
	}
}

// file makes a disk in a file.
func file(t *testing.T, disk []byte) string {
	t.Helper()
	folder := t.TempDir()
	ec2test.Image(t, folder, "x", disk)
	return filepath.Join(folder, "disk.raw")
}

// What a journal may look like when a run finds it, and what has to come of it:
// the disk, and nothing beside it.
func TestJournals(t *testing.T) {
	disk := ec2test.Disk(1, 8<<20)
	for _, tt := range []struct {
		name   string
		change func(text string) string
		most   int // blocks that are written once more
	}{
		{"as it was left", func(text string) string { return text }, 2},
		{"without its last line's end", func(text string) string { return text[:len(text)-5] }, 3},
		{"with zeros at its end", func(text string) string { return text[:len(text)-100] + strings.Repeat("\x00", 100) }, 5},
		{"with a wrong digest", func(text string) string { return flip(text) }, 20},
		{"without blocks", func(text string) string { return strings.Join(strings.SplitAfter(text, "\n")[:2], "") }, 20},
		{"with its first line alone", func(text string) string { return strings.SplitAfter(text, "\n")[0] }, 20},
		{"of something else", func(text string) string { return strings.Replace(text, "us-east-1 ", "us-east-1 f", 1) }, 20},
		{"with another snapshot", func(text string) string { return strings.Replace(text, "snap-", "snap-00", 1) }, 20},
		{"empty", func(string) string { return "" }, 20},
		{"no journal at all", func(string) string { return "a disk?" }, 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var puts atomic.Int64
			ctx, cancel := context.WithCancel(context.Background())
			s := ec2test.Start(t, ec2fake.Options{Fault: func(_, op string) ec2fake.Fault {
				if op == "PutSnapshotBlock" && puts.Add(1) == 12 {
					cancel()
				}
				return ec2fake.None
			}})
			path := file(t, disk)
			w := writer(t, path)
			w.Workers = 1
			if _, err := w.Write(ctx); err == nil {
				t.Fatal("it was not stopped")
			}
			text, err := os.ReadFile(w.Journal)
			if err != nil || strings.Count(string(text), "\n") < 12 {
				t.Fatalf("the journal is %q, %v", text, err)
			}
			if err := os.WriteFile(w.Journal, []byte(tt.change(string(text))), 0o644); err != nil {
				t.Fatal(err)
			}
			before := s.Count("PutSnapshotBlock")
			id, err := writer(t, path).Write(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Compare("us-east-1", id, bytes.NewReader(disk)); err != nil {
				t.Error(err)
			}
			if all := s.Snapshots("us-east-1"); len(all) != 1 {
				t.Errorf("there are %d snapshots:\n%s", len(all), s.State())
			}
			if n := s.Count("PutSnapshotBlock") - before; n > tt.most {
				t.Errorf("it wrote %d blocks, want %d at the most", n, tt.most)
			}
			if _, err := os.Stat(w.Journal); !os.IsNotExist(err) {
				t.Errorf("the journal is still there: %v", err)
			}
		})
	}
}

// flip changes a digit of the third line's digest.
func flip(text string) string {
	lines := strings.SplitAfter(text, "\n")
	b := []byte(lines[2])
	if b[len(b)-2] == '0' {
		b[len(b)-2] = '1'
	} else {
		b[len(b)-2] = '0'
	}
	lines[2] = string(b)
	return strings.Join(lines, "")
}

// A block that keeps arriving as another one is an error, not a snapshot.
func TestSpoilt(t *testing.T) {
	s := ec2test.Start(t, ec2fake.Options{Fault: func(_, op string) ec2fake.Fault {
		if op == "PutSnapshotBlock" {
			return ec2fake.Corrupt
		}
		return ec2fake.None
	}})
	_, err := writer(t, file(t, ec2test.Disk(2, 1<<20))).Write(context.Background())
	if err == nil || !strings.Contains(err.Error(), "another block arrived than was sent") {
		t.Errorf("got %v", err)
	}
	if s.Count("CompleteSnapshot") != 0 {
		t.Error("it was completed")
	}
}

// An outage that lasts ends in an error that says where to go on.
func TestOutage(t *testing.T) {
	ec2test.Start(t, ec2fake.Options{Fault: func(_, op string) ec2fake.Fault {
		if op == "PutSnapshotBlock" {
			return ec2fake.Unavailable
		}
		return ec2fake.None
	}})
	path := file(t, ec2test.Disk(3, 4<<20))
	_, err := writer(t, path).Write(context.Background())
	if err == nil || !strings.Contains(err.Error(), "us-east-1: writing block") || !strings.Contains(err.Error(), "the answer is 503 Service Unavailable") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(path + ".journal"); err != nil {
		t.Errorf("the journal is gone: %v", err)
	}
}

// Throttling does not fail it, however long it lasts.
func TestThrottled(t *testing.T) {
	until := time.Now().Add(3 * time.Second) // longer than any outage may be here
	s := ec2test.Start(t, ec2fake.Options{Fault: func(_, op string) ec2fake.Fault {
		if time.Now().Before(until) && op == "PutSnapshotBlock" {
			return ec2fake.Throttle
		}
		return ec2fake.None
	}})
	disk := ec2test.Disk(4, 2<<20)
	id, err := writer(t, file(t, disk)).Write(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Compare("us-east-1", id, bytes.NewReader(disk)); err != nil {
		t.Error(err)
	}
}

// Two runs do not write one disk at the same time.
func TestInUse(t *testing.T) {
	began := make(chan bool, 100)
	s := ec2test.Start(t, ec2fake.Options{Fault: func(_, op string) ec2fake.Fault {
		if op == "PutSnapshotBlock" {
			began <- true
			time.Sleep(50 * time.Millisecond)
		}
		return ec2fake.None
	}})
	path := file(t, ec2test.Disk(5, 4<<20))
	first := make(chan error, 1)
	w := writer(t, path)
	go func() { _, err := w.Write(context.Background()); first <- err }()
	<-began
	if _, err := writer(t, path).Write(context.Background()); err == nil || !strings.Contains(err.Error(), "is in use") {
		t.Errorf("the second: %v", err)
	}
	if err := <-first; err != nil {
		t.Errorf("the first: %v", err)
	}
	if n := len(s.Snapshots("us-east-1")); n != 1 {
		t.Errorf("%d snapshots", n)
	}
}

// Two machines that write the same disk end with one snapshot.
func TestTwoMachines(t *testing.T) {
	s := ec2test.Start(t, ec2fake.Options{Hidden: 50 * time.Millisecond, Ready: 20 * time.Millisecond})
	disk := ec2test.Disk(6, 4<<20)
	ids, errs := make(chan string, 3), make(chan error, 3)
	for range 3 {
		w := writer(t, file(t, disk))
		go func() {
			id, err := w.Write(context.Background())
			ids <- id
			errs <- err
		}()
	}
	for range 3 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
		if id := <-ids; id != s.Snapshots("us-east-1")[0] {
			t.Errorf("%s of %v", id, s.Snapshots("us-east-1"))
		}
	}
	if err := s.Compare("us-east-1", s.Snapshots("us-east-1")[0], bytes.NewReader(disk)); err != nil || len(s.Snapshots("us-east-1")) != 1 {
		t.Errorf("%v: %v", s.Snapshots("us-east-1"), err)
	}
}

// A disk that is changed meanwhile does not become a snapshot.
func TestCheck(t *testing.T) {
	s := ec2test.Start(t, ec2fake.Options{})
	w := writer(t, file(t, ec2test.Disk(7, 1<<20)))
	w.Check = func(context.Context) error { return fmt.Errorf("it was changed") }
	if _, err := w.Write(context.Background()); err == nil || !strings.Contains(err.Error(), "it was changed") {
		t.Errorf("got %v", err)
	}
	if s.State() != "" {
		t.Errorf("left:\n%s", s.State())
	}
}
