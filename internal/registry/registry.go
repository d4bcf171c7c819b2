// Package registry puts blobs and manifests into OCI registries (OCI
// Distribution Specification 1.1): blobs in chunks that go on where a broken
// connection left off, manifests by digest first and by tag last, and indexes
// to which several machines add at the same time.
//
// Names, authentication and the types of what is stored are go-containerregistry's,
// which sends a blob as one request and starts again when that breaks.
package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/authn/github"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/respin-project/respin/internal/hint"
)

// A Repository is one of a registry that is pushed to.
type Repository struct {
	name   name.Repository
	client *http.Client
	chunk  int64 // bytes that one request of an upload sends
}

// Open returns a repository, logged in with what Docker's or Podman's
// configuration and its helpers have for it, or for ghcr.io with GITHUB_TOKEN.
// Blobs may be mounted from the repositories in from.
func Open(ctx context.Context, repository name.Repository, from []name.Repository) (*Repository, error) {
	keychain := authn.NewMultiKeychain(authn.DefaultKeychain, github.Keychain)
	auth, err := authn.Resolve(ctx, keychain, repository)
	if err != nil {
		return nil, fmt.Errorf("looking for the login to %s: %w", repository.RegistryStr(), err)
	}
	scopes := []string{repository.Scope(transport.PushScope)}
	for _, other := range from {
		scopes = append(scopes, other.Scope(transport.PullScope))
	}
	inner := http.DefaultTransport.(*http.Transport).Clone()
	inner.ResponseHeaderTimeout = 2 * time.Minute
	inner.MaxIdleConnsPerHost = 16
	login, err := transport.NewWithContext(ctx, repository.Registry, auth, &retrier{inner}, scopes)
	if err != nil {
		return nil, advise(fmt.Errorf("connecting to %s: %w", repository.RegistryStr(), plain(err)), repository)
	}
	return &Repository{name: repository, client: &http.Client{Transport: login}, chunk: usualChunk}, nil
}

// Name is the repository's, with the registry's host.
func (r *Repository) Name() name.Repository { return r.name }

// url is that of a path below the repository's.
func (r *Repository) url(path string) *url.URL {
	return &url.URL{Scheme: r.name.Scheme(), Host: r.name.RegistryStr(), Path: "/v2/" + r.name.RepositoryStr() + "/" + path}
}

// do sends a request whose answer must have one of the status codes.
func (r *Repository) do(request *http.Request, codes ...int) (*http.Response, error) {
	response, err := r.client.Do(request)
	if err != nil {
		return nil, plain(err)
	}
	if err := transport.CheckError(response, codes...); err != nil {
		response.Body.Close()
		return nil, advise(err, r.name)
	}
	return response, nil
}

// plain takes the request's URL out of an error: those of uploads and tokens hold secrets.
func plain(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// status is the HTTP status code that an error stands for, 0 if there was no answer.
func status(err error) int {
	if e, ok := errors.AsType[*transport.Error](err); ok {
		return e.StatusCode
	}
	return 0
}

// missing reports whether the registry says that it does not have something.
func missing(err error) bool { return status(err) == http.StatusNotFound }

// said reports whether the registry gave an error code.
func said(err error, code transport.ErrorCode) bool {
	e, ok := errors.AsType[*transport.Error](err)
	if !ok {
		return false
	}
	for _, d := range e.Errors {
		if d.Code == code {
			return true
		}
	}
	return false
}

func advise(err error, repository name.Repository) error {
	switch status(err) {
	case http.StatusUnauthorized, http.StatusForbidden:
		return hint.Wrap(err, "log in with docker login %s, podman login or skopeo login, or set DOCKER_CONFIG or REGISTRY_AUTH_FILE; the account must be allowed to push to %s", repository.RegistryStr(), repository.RepositoryStr())
	}
	return err
}

// zero is the digest that nothing has.
var zero v1.Hash
