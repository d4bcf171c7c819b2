package ec2fake

import (
	"context"
	"crypto/subtle"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// The access key of an account of which nothing else was said.
const (
	DefaultKey    = "AKIAFAKEFAKEFAKEFAKE"
	DefaultSecret = "fake"
)

// A Key is what belongs to an access key id.
type Key struct {
	Secret  string
	Session string    // the token that must come with it, if any
	Expires time.Time // zero is never
	Denied  []string  // operations that are not allowed
}

// SetKey adds an access key, or changes one.
func (s *Server) SetKey(id string, k Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[id] = k
}

// scope is what an Authorization header says: who asks whom.
type scope struct{ key, date, region, service, headers string }

func parseScope(header string) (scope, bool) {
	rest, ok := strings.CutPrefix(header, "AWS4-HMAC-SHA256 ")
	if !ok {
		return scope{}, false
	}
	var sc scope
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "Credential":
			words := strings.Split(value, "/")
			if len(words) != 5 || words[4] != "aws4_request" {
				return scope{}, false
			}
			sc.key, sc.date, sc.region, sc.service = words[0], words[1], words[2], words[3]
		case "SignedHeaders":
			sc.headers = value
		}
	}
	return sc, sc.key != "" && sc.headers != ""
}

// authenticate verifies the signature of a request whose body has the digest
// sum, hexadecimal or "UNSIGNED-PAYLOAD".
func (s *Server) authenticate(r *http.Request, sc scope, sum string) *failure {
	s.mu.Lock()
	key, ok := s.keys[sc.key]
	s.mu.Unlock()
	when, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	switch {
	case !ok:
		return fail(http.StatusUnauthorized, authCode(sc.service, "AuthFailure"), "The access key id that was given does not exist")
	case err != nil || time.Since(when).Abs() > 5*time.Minute:
		return fail(http.StatusBadRequest, authCode(sc.service, "RequestExpired"), "The request has expired")
	case key.Session != "" && subtle.ConstantTimeCompare([]byte(key.Session), []byte(r.Header.Get("X-Amz-Security-Token"))) == 0:
		return fail(http.StatusForbidden, authCode(sc.service, "InvalidClientTokenId"), "The security token included in the request is invalid")
	case !key.Expires.IsZero() && time.Now().After(key.Expires):
		return fail(http.StatusBadRequest, authCode(sc.service, "ExpiredToken"), "The security token included in the request is expired")
	}
	again, err := resign(r, sc, aws.Credentials{AccessKeyID: sc.key, SecretAccessKey: key.Secret, SessionToken: key.Session}, sum, when)
	if err != nil || subtle.ConstantTimeCompare([]byte(again), []byte(r.Header.Get("Authorization"))) == 0 {
		return fail(http.StatusForbidden, authCode(sc.service, "SignatureDoesNotMatch"), "The request signature we calculated does not match the signature you provided")
	}
	return nil
}

// resign returns the Authorization header that the request should have.
func resign(r *http.Request, sc scope, key aws.Credentials, sum string, when time.Time) (string, error) {
	again := &http.Request{Method: r.Method, Host: r.Host, URL: &url.URL{Scheme: "http", Host: r.Host, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}, Header: http.Header{}}
	for name := range strings.SplitSeq(sc.headers, ";") {
		switch name {
		case "host":
		case "content-length":
			again.ContentLength = r.ContentLength
		default:
			again.Header[http.CanonicalHeaderKey(name)] = r.Header.Values(name)
		}
	}
	err := v4.NewSigner().SignHTTP(context.Background(), key, again, sum, sc.service, sc.region, when)
	return again.Header.Get("Authorization"), err
}

// authCode is what a service calls an error that EC2 calls code.
func authCode(service, code string) string {
	if service == "ec2" || service == "sts" {
		if code == "ExpiredToken" && service == "ec2" {
			return "RequestExpired"
		}
		return code
	}
	switch code {
	case "AuthFailure", "InvalidClientTokenId":
		return "UnrecognizedClientException"
	case "RequestExpired", "SignatureDoesNotMatch":
		return "InvalidSignatureException"
	}
	return "ExpiredTokenException"
}

// Expire makes all credentials expire that there are now.
func (s *Server) Expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, key := range s.keys {
		key.Expires = time.Now().Add(-time.Second)
		s.keys[id] = key
	}
}
