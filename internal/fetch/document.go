package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/respin-project/respin/internal/cache"
)

// A Document is a small file whose digest is not known beforehand.
type Document struct {
	URL  string // the one of the URLs that it came from; may hold credentials
	Data []byte
	Old  bool // from the cache, because the Fetcher is offline
}

// Document downloads a file of at most limit bytes from the first of urls that
// has one for which accept returns nil (nil accepts all); what accept refuses
// is a failure of that URL. A redirection from https to http is refused. With
// Offline it returns what it downloaded last from any of the URLs, if accept
// still takes it, and otherwise ErrOffline.
func (f *Fetcher) Document(ctx context.Context, urls []string, limit int64, accept func([]byte) error) (*Document, error) {
	f.start()
	if accept == nil {
		accept = func([]byte) error { return nil }
	}
	var got *Document
	name := File{URLs: urls}.name()
	err := f.try(ctx, name, urls, func(url string) error {
		data, old, err := f.document(ctx, url, limit)
		if err != nil {
			return err
		}
		if err := accept(data); err != nil {
			return err
		}
		got = &Document{URL: url, Data: data, Old: old}
		if old {
			return nil
		}
		return f.Cache.SetNote("document", cache.Key(url), data)
	})
	if err != nil {
		return nil, advise(fmt.Errorf("fetching %s: %w", name, err))
	}
	return got, nil
}

// document reads a small file, from the cache if it must.
func (f *Fetcher) document(ctx context.Context, url string, limit int64) (data []byte, old bool, err error) {
	if path, local := localPath(url); local {
		file, err := openLocal(path)
		if err != nil {
			return nil, false, err
		}
		defer file.Close()
		data, err = readAll(file, limit)
		return data, false, err
	}
	response, err := f.get(ctx, url, http.Header{}, true)
	if errors.Is(err, ErrOffline) {
		if data, _, noteErr := f.Cache.Note("document", cache.Key(url)); noteErr == nil {
			return data, true, nil
		}
		return nil, false, err
	} else if err != nil {
		return nil, false, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, false, answer(response)
	}
	data, err = readAll(response.Body, limit)
	return data, false, err
}

func readAll(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("it is longer than %d bytes", limit)
	}
	return data, err
}
