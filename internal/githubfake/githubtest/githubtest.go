package githubtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

// Start serves a handler, which is the fake or stands before it, and returns
// the address for GITHUB_API_URL. Each request, and each answer that does not
// break off, is held to GitHub's description: what it does not allow fails the
// test. Where the description cannot be had, the test's log says so.
func Start(t testing.TB, h http.Handler) string {
	t.Helper()
	if d := description(t); d != nil {
		h = Validate(d, h, func(err error) { t.Error(err) })
	}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

// Validate holds requests, and what h answers to them, to a description of an API.
func Validate(d *openapi3.T, h http.Handler, complain func(error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client has gone
		}
		route, parameters := find(d, r)
		options := &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true}
		options.WithCustomSchemaErrorFunc(func(e *openapi3.SchemaError) string { // without the whole schema
			return fmt.Sprintf("/%s: %s", strings.Join(e.JSONPointer(), "/"), e.Reason)
		})
		input := &openapi3filter.RequestValidationInput{Request: r, PathParams: parameters, Route: route, Options: options}
		if route == nil {
			complain(fmt.Errorf("GitHub has no %s %s", r.Method, r.URL.Path))
		} else {
			r.Body = io.NopCloser(bytes.NewReader(body))
			if err := openapi3filter.ValidateRequest(r.Context(), input); err != nil {
				complain(fmt.Errorf("%s %s: GitHub does not describe such a request: %w", r.Method, r.URL.Path, err))
			}
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, r)
		if route != nil {
			if err := validateAnswer(r, input, answer); err != nil {
				complain(fmt.Errorf("%s %s: GitHub does not describe such an answer: %w", r.Method, r.URL.Path, err))
			}
		}
		for key, values := range answer.Header() {
			w.Header()[key] = values
		}
		w.WriteHeader(answer.Code)
		w.Write(answer.Body.Bytes())
	})
}

// validateAnswer holds an answer to the description. Of refusals it has few,
// and some in two ways of which an answer must match just one and matches
// both: they have a message.
func validateAnswer(r *http.Request, input *openapi3filter.RequestValidationInput, answer *httptest.ResponseRecorder) error {
	if answer.Code >= 400 {
		var said struct{ Message string }
		if err := json.Unmarshal(answer.Body.Bytes(), &said); answer.Code < 500 && (err != nil || said.Message == "") {
			return fmt.Errorf("status %d without a message", answer.Code)
		}
		return nil
	}
	return openapi3filter.ValidateResponse(r.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: answer.Code, Header: answer.Header(), Body: io.NopCloser(bytes.NewReader(answer.Body.Bytes())), Options: input.Options,
	})
}

// find returns the route of a request, with the parameters in its path.
func find(d *openapi3.T, r *http.Request) (*routers.Route, map[string]string) {
	at := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	for path, item := range d.Paths.Map() {
		operation := item.GetOperation(r.Method)
		if operation == nil {
			continue
		}
		if parameters := match(strings.Split(strings.Trim(path, "/"), "/"), at); parameters != nil {
			return &routers.Route{Spec: d, Path: path, PathItem: item, Method: r.Method, Operation: operation}, parameters
		}
	}
	return nil, nil
}

// match matches a path with a template's parts; nil if it does not. A {ref} at
// the end holds the slashes of GitHub's references.
func match(template, path []string) map[string]string {
	last := len(template) - 1
	if template[last] == "{ref}" && len(path) > len(template) {
		path = append(path[:last:last], strings.Join(path[last:], "/"))
	}
	if len(path) != len(template) {
		return nil
	}
	parameters := map[string]string{}
	for i, part := range template {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			parameters[strings.TrimSuffix(name, "}")] = path[i]
		} else if part != path[i] {
			return nil
		}
	}
	return parameters
}
