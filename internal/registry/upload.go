package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// An upload is a blob on its way.
type upload struct {
	repository *Repository
	blob       Blob
	chunk      int64 // bytes
	least      int64 // that the registry takes as one, if it says so
	count      func(int64)

	at       *url.URL // where to send the next chunk; nil: no session is open
	off      int64    // what the registry has
	furthest int64    // the most it ever had
	counted  int64
	damaged  int  // times
	refused  bool // by a registry that takes no chunks; it gets the rest as one
	disputed bool // the registry did not take the range of the last chunk
	alone    bool // each chunk goes over a connection of its own
}

// progressed reports whether the upload got further than ever since it was last asked.
func (u *upload) progressed() bool {
	if u.off <= u.furthest {
		return false
	}
	u.furthest = u.off
	return true
}

// begin opens a session, unless one of the repositories in from lends the blob.
func (u *upload) begin(ctx context.Context, from []name.Repository) (mounted bool, err error) {
	for i := 0; i == 0 || i < len(from); i++ {
		at := u.repository.url("blobs/uploads/")
		if i < len(from) {
			at.RawQuery = url.Values{"mount": {u.blob.Digest.String()}, "from": {from[i].RepositoryStr()}}.Encode()
		}
		u.cancel(ctx)
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, at.String(), nil)
		if err != nil {
			return false, err
		}
		response, err := u.repository.do(request, http.StatusCreated, http.StatusAccepted)
		if err != nil {
			return false, err
		}
		response.Body.Close()
		if response.StatusCode == http.StatusCreated {
			return true, nil
		}
		u.off = 0
		u.follow(response)
		if least, err := strconv.ParseInt(response.Header.Get("OCI-Chunk-Min-Length"), 10, 64); err == nil {
			u.least, u.chunk = least, max(u.chunk, least)
		}
	}
	if u.at == nil {
		return false, errors.New("the registry opened an upload without saying where")
	}
	return false, nil
}

// cancel gives up a session. That it may fail does no harm: sessions expire.
func (u *upload) cancel(ctx context.Context) {
	if u.at == nil {
		return
	}
	if request, err := http.NewRequestWithContext(once(ctx), http.MethodDelete, u.at.String(), nil); err == nil {
		if response, err := u.repository.client.Do(request); err == nil {
			response.Body.Close()
		}
	}
	u.at = nil
}

// follow takes the session's next address from an answer.
func (u *upload) follow(response *http.Response) {
	if at, err := response.Location(); err == nil {
		u.at = at
	}
}

// step sends the next chunk; the last one ends the upload.
func (u *upload) step(ctx context.Context) (done bool, err error) {
	n := u.blob.Size - u.off
	last := n <= u.chunk || u.refused
	if !last {
		n = u.chunk
	}
	ctx, stop := context.WithTimeout(once(ctx), chunkTime)
	defer stop()
	method, at := http.MethodPatch, *u.at
	if last {
		method = http.MethodPut
		query := at.Query()
		query.Set("digest", u.blob.Digest.String())
		at.RawQuery = query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, method, at.String(), http.NoBody)
	if err != nil {
		return false, err
	}
	request.Header.Set("Content-Type", "application/octet-stream")
	request.Close = u.alone
	if n > 0 {
		request.GetBody = func() (io.ReadCloser, error) {
			return io.NopCloser(io.NewSectionReader(u.blob.Content, u.off, n)), nil
		}
		request.Body, _ = request.GetBody()
		request.ContentLength = n
	}
	if !last || u.off > 0 {
		request.Header.Set("Content-Range", fmt.Sprintf("%d-%d", u.off, u.off+n-1))
	}
	response, err := u.repository.do(request, http.StatusAccepted, http.StatusCreated)
	if err != nil {
		return false, err
	}
	response.Body.Close()
	if last {
		return true, u.finished(response)
	}
	u.follow(response)
	end, err := received(response)
	if err != nil || end <= u.off || end > u.off+n {
		u.at = nil // start again: we do not know what it has
		return false, errors.Join(errLost, err)
	}
	u.arrived(end)
	return false, nil
}

// errLost says that the registry and we disagree about what it has.
var errLost = errors.New("the registry lost part of the upload")

func (u *upload) finished(response *http.Response) error {
	u.arrived(u.blob.Size)
	digest := response.Header.Get("Docker-Content-Digest")
	if digest != "" && digest != u.blob.Digest.String() {
		return fmt.Errorf("the registry says it stored %s", digest)
	}
	return nil
}

// arrived notes what the registry has.
func (u *upload) arrived(end int64) {
	u.off = end
	if end > u.counted {
		u.count(end - u.counted)
		u.counted = end
	}
}

// received is how many bytes an answer says the registry has: "0-LAST".
func received(response *http.Response) (int64, error) {
	text := response.Header.Get("Range")
	_, last, ok := strings.Cut(strings.TrimPrefix(text, "bytes="), "-")
	if end, err := strconv.ParseInt(last, 10, 64); ok && err == nil && end >= 0 {
		return end + 1, nil
	}
	return 0, fmt.Errorf("the registry's Range is %q", text)
}

// resume asks the registry what it has, and starts again where it does not say.
//
// Distribution 2 gives an upload up when a connection breaks while it has part of a chunk, and there is nothing
// that a client could do. So that it does not come to that again where a proxy bounds how much or how long
// a connection may send, chunks are smaller from then on, and have a connection each.
func (u *upload) resume(ctx context.Context) {
	before, disputed := u.off, u.disputed
	u.disputed = false
	u.ask(ctx)
	switch {
	case disputed && (u.at == nil || u.off == before): // so it was not where the chunk began
		u.chunk, u.at = min(u.chunk, smallChunk), nil
	case u.at == nil:
		u.alone = true
		u.chunk = min(u.chunk, max(u.chunk/2, u.least, leastChunk))
	}
}

func (u *upload) ask(ctx context.Context) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.at.String(), nil)
	if err != nil {
		u.at = nil
		return
	}
	response, err := u.repository.do(request, http.StatusNoContent, http.StatusOK, http.StatusAccepted)
	if err != nil {
		u.at = nil
		return
	}
	response.Body.Close()
	end, err := received(response)
	if err != nil || end > u.blob.Size {
		u.at = nil
		return
	}
	if end == 1 { // "0-0" also stands for nothing, and one byte is soon sent again
		u.cancel(ctx)
		return
	}
	u.follow(response)
	u.off = end
}

// recoverable reports whether another attempt may work, and prepares it.
func (u *upload) recoverable(err error) bool {
	switch code := status(err); {
	case code == 0:
		return broken(err) || errors.Is(err, errLost) || errors.Is(err, context.DeadlineExceeded)
	case passes(&http.Response{StatusCode: code}, nil):
		return true
	case code == http.StatusNotFound, said(err, transport.BlobUploadInvalidErrorCode), said(err, transport.BlobUploadUnknownErrorCode):
		u.at = nil // the session is gone
		return true
	case code == http.StatusRequestedRangeNotSatisfiable: // it has more than we know, or the chunk is too large
		u.disputed = true
		return true
	case code == http.StatusRequestEntityTooLarge:
		u.chunk, u.at = min(u.chunk, smallChunk), nil
		return true
	case said(err, transport.DigestInvalidErrorCode), said(err, transport.SizeInvalidErrorCode):
		u.at = nil // it was damaged on its way, or else the file changed
		u.damaged++
		return u.damaged < 3
	case !u.refused && u.blob.Size > u.chunk && (code == http.StatusMethodNotAllowed || code == http.StatusBadRequest || code == http.StatusNotImplemented):
		u.refused, u.at = true, nil
		return true
	}
	return false
}
