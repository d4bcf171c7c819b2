package smoke

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

var cloudInitChecks = []check{
	{"cloud-init", "error", []string{"cloud-init"}, cloudInit},
	{"cloud-init-warnings", "warning", []string{"cloud-init"}, cloudInitWarnings},
	{"hostname", "error", []string{"cloud-init"}, hostName},
}

// cloudResult is /run/cloud-init/result.json, which is there when cloud-init is done.
type cloudResult struct {
	V1 struct {
		Datasource string   `json:"datasource"`
		Errors     []string `json:"errors"`
	} `json:"v1"`
}

// readResult waits for cloud-init's end. Once systemd's boot has ended it has ended too, and its
// own command, which takes seconds to start, is not needed.
const readResult = `[ -e /run/cloud-init/result.json ] || cloud-init status --wait > /dev/null; cat /run/cloud-init/result.json || cloud-init status`

func cloudInit(ctx context.Context, g *guest) (string, error) {
	text, err := g.asRootOrUser(ctx, readResult)
	if err != nil {
		return "", err
	}
	return judgeCloudInit(text)
}

// judgeCloudInit reads result.json, or what cloud-init says without one.
func judgeCloudInit(text string) (string, error) {
	var result cloudResult
	if json.Unmarshal([]byte(text), &result) != nil {
		return "", fmt.Errorf("cloud-init did not run: %s", brief(text))
	}
	if len(result.V1.Errors) > 0 {
		return "", fmt.Errorf("cloud-init reports errors: %s", brief(list(result.V1.Errors)))
	}
	if !strings.Contains(result.V1.Datasource, "NoCloud") {
		return "", fmt.Errorf("cloud-init used %q instead of the seed's NoCloud", brief(result.V1.Datasource))
	}
	return "done, " + brief(result.V1.Datasource), nil
}

func cloudInitWarnings(ctx context.Context, g *guest) (string, error) {
	text, err := g.asRootOrUser(ctx, "cat /run/cloud-init/status.json")
	if err != nil {
		return "", err
	}
	warnings, err := recoverable(text)
	if err != nil {
		return "", err
	}
	if len(warnings) > 0 {
		return "", fmt.Errorf("cloud-init reports recoverable errors: %s", brief(list(warnings)))
	}
	return "none", nil
}

// recoverable reads the warnings and worse that cloud-init, from 23.4 on, writes
// into status.json: by stage, by level.
func recoverable(text string) ([]string, error) {
	var status struct {
		V1 map[string]json.RawMessage `json:"v1"`
	}
	if err := json.Unmarshal([]byte(text), &status); err != nil {
		return nil, errors.New("cloud-init's status.json cannot be read")
	}
	var all []string
	for _, stage := range slices.Sorted(maps.Keys(status.V1)) {
		var s struct {
			Errors map[string][]string `json:"recoverable_errors"`
		}
		if json.Unmarshal(status.V1[stage], &s) != nil {
			continue // not a stage but the datasource's name or the like
		}
		for _, level := range []string{"WARNING", "ERROR", "CRITICAL"} {
			all = append(all, s.Errors[level]...)
		}
	}
	return all, nil
}

func hostName(ctx context.Context, g *guest) (string, error) {
	text, err := g.ask(ctx, "uname -n")
	if err != nil {
		return "", err
	}
	name, _, _ := strings.Cut(strings.TrimSpace(text), ".")
	if name != g.seed.Host {
		return "", fmt.Errorf("the host name is %q instead of the seed's %q", brief(text), g.seed.Host)
	}
	return name, nil
}
