package registry

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// A chunk is large, because each is a request, and ECR wants at least 5 MiB.
// GitHub's registry takes no more than 4 MiB, which it says when it gets more.
const (
	usualChunk = 16 << 20
	smallChunk = 4 << 20
	leastChunk = 5 << 20 // that chunks shrink to where connections break

	chunkTime = 10 * time.Minute // that one chunk may take
	tries     = 10               // failures in a row, without getting on
)

// A Blob is what a registry stores by its digest.
type Blob struct {
	Digest  v1.Hash
	Size    int64       // bytes
	Content io.ReaderAt // of Size bytes
}

// Outcome is what became of a blob.
type Outcome int

const (
	Sent    Outcome = iota
	Present         // the repository had it
	Mounted         // another repository of the registry had it
)

// PushBlob brings a blob to the repository. Where it is missing, those in from are asked for
// it before it is sent. count is told of every byte that arrived; it may be nil.
func (r *Repository) PushBlob(ctx context.Context, b Blob, from []name.Repository, count func(int64)) (Outcome, error) {
	done, err := r.HasBlob(ctx, b)
	if err != nil {
		return 0, err
	}
	if done {
		return Present, nil
	}
	outcome, err := r.send(ctx, b, from, count)
	if err != nil {
		return 0, fmt.Errorf("sending blob %s: %w", b.Digest, err)
	}
	return outcome, nil
}

// HasBlob reports whether a blob is in the repository.
func (r *Repository) HasBlob(ctx context.Context, b Blob) (bool, error) {
	done, err := r.has(ctx, b)
	if err != nil {
		return false, fmt.Errorf("asking for blob %s: %w", b.Digest, err)
	}
	return done, nil
}

func (r *Repository) has(ctx context.Context, b Blob) (bool, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, r.url("blobs/"+b.Digest.String()).String(), nil)
	if err != nil {
		return false, err
	}
	response, err := r.do(request, http.StatusOK, http.StatusNotFound)
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusNotFound {
		return false, nil
	}
	if n := response.ContentLength; n >= 0 && n != b.Size {
		return false, fmt.Errorf("the registry has it with %d bytes instead of %d", n, b.Size)
	}
	return true, nil
}

// send uploads a blob, again and again where the registry or the way to it fails.
func (r *Repository) send(ctx context.Context, b Blob, from []name.Repository, count func(int64)) (Outcome, error) {
	if count == nil {
		count = func(int64) {}
	}
	up := upload{repository: r, blob: b, chunk: r.chunk, count: count}
	for failures := 0; ; {
		if up.at == nil {
			mounted, err := up.begin(ctx, from)
			if mounted || err != nil {
				return Mounted, err
			}
			from = nil // they do not have it
		}
		done, err := up.step(ctx)
		if done {
			return Sent, nil
		}
		if err == nil {
			continue
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		if up.progressed() {
			failures = 0
		}
		if failures++; failures == tries || !up.recoverable(err) {
			return 0, err
		}
		if err := sleep(ctx, pause(failures)); err != nil {
			return 0, err
		}
		if up.at != nil {
			if done, err := r.has(ctx, b); done || err != nil { // the last answer was lost
				return Sent, err
			}
			up.resume(ctx)
		}
	}
}
