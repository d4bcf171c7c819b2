package workflow

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/goccy/go-yaml"
	"github.com/respin-project/respin/internal/githubfake"
)

// An Event is something that starts workflows.
type Event struct {
	Name   string // as the key "on" has it: "pull_request", "schedule"
	Action string // its type, such as "opened"; empty for events that have none
	Commit string // what the workflows see
	Ref    string // such as "refs/heads/main"

	payload map[string]any
}

// PullRequest opens a pull request with those files and no others, and returns
// the event: the workflows see what a merge would give.
func (g *GitHub) PullRequest(branch string, files map[string]string) Event {
	head := g.Branch(branch, "main", files)
	number := g.Open(githubfake.Pull{Title: branch, Head: branch, Base: "main"})
	return g.pullEvent("opened", number, head, fmt.Sprintf("refs/pull/%d/merge", number))
}

// MergePull merges a pull request and returns that event.
func (g *GitHub) MergePull(number int) Event {
	return g.pullEvent("closed", number, g.Merge(number), "refs/heads/main")
}

func (g *GitHub) pullEvent(action string, number int, commit, ref string) Event {
	p := g.Pulls()[number-1]
	labels := []any{}
	for _, l := range p.Labels {
		labels = append(labels, map[string]any{"name": l})
	}
	side := func(branch string) map[string]any {
		return map[string]any{"ref": branch, "sha": g.Refs()["refs/heads/"+branch], "repo": map[string]any{"full_name": g.Name, "fork": false}}
	}
	return Event{"pull_request", action, commit, ref, map[string]any{
		"action": action, "number": number,
		"pull_request": map[string]any{
			"number": number, "title": p.Title, "state": p.State, "merged": p.Merge != "", "merge_commit_sha": p.Merge,
			"head": side(p.Head), "base": side(p.Base), "labels": labels,
		},
	}}
}

// Main returns an event on the default branch, such as "schedule".
func (g *GitHub) Main(name, action string) Event {
	return Event{name, action, g.Refs()["refs/heads/main"], "refs/heads/main", map[string]any{}}
}

// pullTypes are those of a pull request's events that count where a workflow names none.
var pullTypes = []string{"opened", "synchronize", "reopened"}

// starts returns the workflows of a folder that the event starts, sorted by name.
func (e *Event) starts(folder string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.y*ml"))
	if err != nil {
		return nil, err
	}
	var all []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var w struct{ On any }
		if err := yaml.Unmarshal(text, &w); err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Base(file), err)
		}
		if e.in(w.On) {
			all = append(all, file)
		}
	}
	slices.Sort(all)
	return all, nil
}

// in reports whether the value of a workflow's key "on" names the event.
// Filters of branches and paths are passed over.
func (e *Event) in(on any) bool {
	switch on := on.(type) {
	case string:
		return on == e.Name && e.usual()
	case []any:
		return slices.Contains(on, any(e.Name)) && e.usual()
	case map[string]any:
		filter, ok := on[e.Name]
		if !ok {
			return false
		}
		if filter, ok := filter.(map[string]any); ok {
			switch types := filter["types"].(type) {
			case string:
				return types == e.Action
			case []any:
				return slices.Contains(types, any(e.Action))
			}
		}
		return e.usual()
	}
	return false
}

// usual reports whether the event's type counts where none are named.
func (e *Event) usual() bool {
	return e.Name != "pull_request" || slices.Contains(pullTypes, e.Action)
}

// text is the event's payload as a webhook has it.
func (e *Event) text(repository string) ([]byte, error) {
	all := map[string]any{"repository": map[string]any{"full_name": repository, "default_branch": "main"}}
	for key, value := range e.payload {
		all[key] = value
	}
	return json.Marshal(all)
}
