// Package githubapi opens GitHub's REST API for one repository, with one
// patience for outages and rate limits, and errors that say what to do.
//
// https://docs.github.com/rest describes the API.
package githubapi

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/google/go-github/v60/github"
	"github.com/respin-project/respin/internal/hint"
	"github.com/respin-project/respin/internal/report"
)

// A Repository is one on GitHub, or on a GitHub Enterprise Server.
type Repository struct {
	*github.Client
	Owner, Name string

	token   string
	retrier *retrier
}

// FullName is OWNER/NAME.
func (r *Repository) FullName() string { return r.Owner + "/" + r.Name }

// What GitHub allows in the names of owners and repositories.
var fullName = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9-]*)/([A-Za-z0-9._-]+)$`)

// Open opens the repository that the environment names as it does on GitHub
// Actions: GITHUB_REPOSITORY, GITHUB_API_URL, and the token in GITHUB_TOKEN or
// GH_TOKEN. name stands for GITHUB_REPOSITORY if it is not empty. wait is how
// long all pauses together may take, for outages and rate limits.
func Open(getenv func(string) string, name string, wait time.Duration, r *report.Report) (*Repository, error) {
	name = cmp.Or(name, getenv("GITHUB_REPOSITORY"))
	parts := fullName.FindStringSubmatch(name)
	if parts == nil || strings.Trim(parts[2], ".") == "" {
		return nil, hint.Wrap(fmt.Errorf("%q is no repository of GitHub's", name), "write it OWNER/NAME, in --repository or GITHUB_REPOSITORY")
	}
	token := cmp.Or(getenv("GITHUB_TOKEN"), getenv("GH_TOKEN"))
	if token == "" {
		return nil, hint.Wrap(fmt.Errorf("there is no token for %s", name), "put one into GITHUB_TOKEN or GH_TOKEN: on GitHub Actions ${{ github.token }}, elsewhere what gh auth token prints")
	}
	if strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return nil, hint.Wrap(fmt.Errorf("the token in GITHUB_TOKEN or GH_TOKEN holds characters that no token has"), "it may have a line break or blank at its end")
	}
	api, err := address(cmp.Or(getenv("GITHUB_API_URL"), "https://api.github.com"))
	if err != nil {
		return nil, err
	}
	t := &retrier{inner: http.DefaultTransport.(*http.Transport).Clone(), host: api.Host, token: token, left: wait, first: max(min(firstPause, wait/40), time.Millisecond), report: r}
	client := github.NewClient(&http.Client{
		Transport: t,
		// A token follows nobody to another place, and a request that became a GET would look as if it had been done.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	})
	client.BaseURL = api
	client.UserAgent = "respin"
	return &Repository{Client: client, Owner: parts[1], Name: parts[2], token: token, retrier: t}, nil
}

// address is the API's address, to which a token may be sent.
func address(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, hint.Wrap(fmt.Errorf("GITHUB_API_URL is no address of an API"), "it is like https://api.github.com or https://HOST/api/v3, without a user or password")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return nil, hint.Wrap(fmt.Errorf("GITHUB_API_URL: the token is not sent to %s, which is not encrypted", u.Redacted()), "use https://")
	}
	u.Path = strings.TrimSuffix(u.Path, "/") + "/"
	return u, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
