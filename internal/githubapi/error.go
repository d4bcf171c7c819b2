package githubapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/google/go-github/v60/github"
	"github.com/respin-project/respin/internal/hint"
)

// Is reports whether err is an answer with that status, such as http.StatusNotFound.
func Is(err error, status int) bool {
	response := answer(err)
	return response != nil && response.StatusCode == status
}

// Explain says what failed and what to do, in place of the library's words. The
// token is not in it, whatever a server answers. A nil err stays nil.
func (r *Repository) Explain(doing string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	response := answer(err)
	if response == nil {
		return r.unreachable(doing, err)
	}
	said := r.said(err)
	again := "run it again later: it finds what it did before"
	switch status := response.StatusCode; {
	case limited(response):
		text := fmt.Sprintf("%s: GitHub's rate limit is reached", doing)
		if wait := untilReset(response); wait > 0 {
			text += fmt.Sprintf("; it ends at %s", time.Now().Add(wait).UTC().Format("15:04:05 UTC"))
		}
		return hint.Wrap(errors.New(text), "run it again then, or let it wait longer with --wait")
	case status == http.StatusUnauthorized:
		return hint.Wrap(fmt.Errorf("%s: GitHub does not know the token (401 %s)", doing, said), "GITHUB_TOKEN or GH_TOKEN is wrong, has expired, or belongs to another server than %s", r.BaseURL.Host)
	case status == http.StatusForbidden:
		return hint.Wrap(fmt.Errorf("%s: GitHub does not allow it (403 %s)", doing, said),
			"the token needs contents, pull-requests and issues: write; a repository's settings can keep Actions from creating pull requests")
	case status == http.StatusNotFound:
		return hint.Wrap(fmt.Errorf("%s: GitHub does not find it in %s (404 %s)", doing, r.FullName(), said), "GitHub says so, too, of what the token may not see: check the name and the token's permissions")
	case status == http.StatusConflict:
		return hint.Wrap(fmt.Errorf("%s: the repository is in no state for it (409 %s)", doing, said), "it may be empty, or something else is changing it: %s", again)
	case status == http.StatusUnprocessableEntity:
		return hint.Wrap(fmt.Errorf("%s: GitHub refuses it (422 %s)", doing, said), "a rule for branches or tags may forbid it; look into the repository's settings")
	case status >= 500 || status == http.StatusRequestTimeout:
		return hint.Wrap(fmt.Errorf("%s: GitHub fails (%d %s)", doing, status, said), "%s", again)
	case status >= 300 && status < 400:
		return hint.Wrap(fmt.Errorf("%s: GitHub points to another place (%d)", doing, status), "the repository may have a new name: give it with --repository or GITHUB_REPOSITORY")
	}
	return fmt.Errorf("%s: GitHub answers %d %s", doing, response.StatusCode, said)
}

func (r *Repository) unreachable(doing string, err error) error {
	text := r.clean(err.Error())
	if broken(err) {
		return hint.Wrap(fmt.Errorf("%s: the connection to GitHub broke: %s", doing, text), "run it again: it finds what it did before")
	}
	return hint.Wrap(fmt.Errorf("%s: %s", doing, text), "check GITHUB_API_URL, which is %s, and the network", r.BaseURL)
}

// said is what GitHub says of an error.
func (r *Repository) said(err error) string {
	e, ok := errors.AsType[*github.ErrorResponse](err)
	if !ok {
		return "without words"
	}
	text := e.Message
	if text == "" {
		text = "without words"
	}
	for _, detail := range e.Errors {
		if more := strings.TrimSpace(strings.Join([]string{detail.Field, detail.Code, detail.Message}, " ")); more != "" {
			text += "; " + more
		}
	}
	return r.clean(text)
}

const mostWords = 300 // characters of another's words in an error

// clean makes a server's words fit to be read in an error.
func (r *Repository) clean(text string) string {
	text = strings.ReplaceAll(text, r.token, "***")
	text = strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return ' '
		}
		return c
	}, text)
	if runes := []rune(text); len(runes) > mostWords {
		text = string(runes[:mostWords]) + "…"
	}
	return text
}
