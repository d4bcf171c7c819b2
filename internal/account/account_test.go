package account_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/respin-project/respin/internal/account"
	"github.com/respin-project/respin/internal/ec2fake"
	"github.com/respin-project/respin/internal/ec2fake/ec2test"
	"github.com/respin-project/respin/internal/hint"
)

func open(t *testing.T) *account.Account {
	t.Helper()
	a, err := account.Open(context.Background(), os.Getenv, 4)
	if err != nil {
		t.Fatal(err)
	}
	a.Patience = account.Patience{
		Attempt: 300 * time.Millisecond, Tries: 3, Outage: 20 * time.Millisecond, Unseen: 200 * time.Millisecond, First: time.Millisecond, Longest: 4 * time.Millisecond,
	}
	return a
}

// regions asks for something that changes nothing.
func regions(ctx context.Context, r *account.Region) error {
	_, err := account.Call(ctx, r, "asking for the regions", func(ctx context.Context) (*ec2.DescribeRegionsOutput, error) {
		return r.EC2.DescribeRegions(ctx, &ec2.DescribeRegionsInput{})
	})
	return err
}

func TestCall(t *testing.T) {
	for _, tt := range []struct {
		fault ec2fake.Fault
		times int64 // that it happens
		want  string
		hint  string
	}{
		{ec2fake.Throttle, 50, "", ""},
		{ec2fake.TooManyRequests, 50, "", ""},
		{ec2fake.Unavailable, 2, "", ""},
		{ec2fake.Broken, 2, "", ""},
		{ec2fake.ResetBefore, 2, "", ""},
		{ec2fake.ResetAfter, 2, "", ""},
		{ec2fake.CutOff, 2, "", ""},
		{ec2fake.Unavailable, 1 << 40, "us-east-1: asking for the regions: the answer is 503 Service Unavailable", "run it again later"},
		{ec2fake.Broken, 1 << 40, "us-east-1: asking for the regions: InternalServerException", "run it again later"},
		{ec2fake.ResetBefore, 1 << 40, "us-east-1: asking for the regions: ", "run it again later"},
	} {
		var n atomic.Int64
		ec2test.Start(t, ec2fake.Options{Fault: func(string, string) ec2fake.Fault {
			if n.Add(1) <= tt.times {
				return tt.fault
			}
			return ec2fake.None
		}})
		err := regions(context.Background(), open(t).Region("us-east-1"))
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("fault %d, %d times: %v", tt.fault, tt.times, err)
		case tt.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.want) || !strings.Contains(strings.Join(hint.Of(err), ""), tt.hint)):
			t.Errorf("fault %d: got %v with hints %q, want %q", tt.fault, err, hint.Of(err), tt.want)
		}
	}
}

// A refusal is not asked for twice, and a server that hangs is left in time.
func TestFinal(t *testing.T) {
	var n atomic.Int64
	ec2test.Start(t, ec2fake.Options{
		Keys:  map[string]ec2fake.Key{ec2fake.DefaultKey: {Secret: ec2test.Secret, Denied: []string{"DescribeRegions"}}},
		Fault: func(string, string) ec2fake.Fault { n.Add(1); return ec2fake.None },
	})
	err := regions(context.Background(), open(t).Region("us-east-1"))
	if account.Code(err) != "UnauthorizedOperation" || n.Load() != 0 {
		t.Errorf("%v after %d requests", err, n.Load())
	}
	release := make(chan struct{})
	hang := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { n.Add(1); <-release }))
	defer hang.Close()
	defer close(release)
	t.Setenv("AWS_ENDPOINT_URL", hang.URL)
	n.Store(0)
	err = regions(context.Background(), open(t).Region("us-east-1"))
	if err == nil || !strings.Contains(err.Error(), "there is no answer") || n.Load() != 3 {
		t.Errorf("%v after %d requests", err, n.Load())
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := regions(ctx, open(t).Region("us-east-1")); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// A job on GitHub Actions gets a role's credentials with its identity, gets
// new ones before they run out, and tells nobody about any of it.
func TestGitHub(t *testing.T) {
	s := ec2test.Start(t, ec2fake.Options{})
	var asked atomic.Int64
	status := http.StatusOK
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.Header.Get("Authorization") != "Bearer request-secret" || r.URL.Query().Get("audience") != "sts.amazonaws.com" || r.URL.Query().Get("api") != "1" {
			t.Errorf("asked for %s with %v", r.URL, r.Header)
		}
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"value":%q}`, ec2fake.WebIdentity+"token-secret")
	}))
	defer web.Close()
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/publish")
	t.Setenv("ACTIONS_ID_TOKEN_REQUEST_URL", web.URL+"/?api=1")
	t.Setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "request-secret")
	a := open(t)
	if err := a.Identify(context.Background(), "us-east-1"); err != nil || a.Number != ec2fake.Account {
		t.Fatalf("%v, account %s", err, a.Number)
	}
	if err := regions(context.Background(), a.Region("eu-west-1")); err != nil || asked.Load() != 1 {
		t.Errorf("%v after %d identities", err, asked.Load())
	}
	s.Expire()
	if err := regions(context.Background(), a.Region("eu-west-1")); err != nil || asked.Load() != 2 {
		t.Errorf("once they had expired: %v after %d identities", err, asked.Load())
	}
	status = http.StatusForbidden
	err := open(t).Identify(context.Background(), "us-east-1")
	if err == nil || !strings.Contains(err.Error(), "asking GitHub for the job's identity: the answer is 403 Forbidden") {
		t.Errorf("got %v", err)
	}
	web.Close()
	err = errors.Join(err, open(t).Identify(context.Background(), "us-east-1"))
	if text := fmt.Sprint(err); strings.Contains(text, "secret") || strings.Contains(text, "api=1") {
		t.Errorf("a secret is told: %v", text)
	}
}

// Credentials that cannot be renewed say so.
func TestExpired(t *testing.T) {
	s := ec2test.Start(t, ec2fake.Options{})
	a := open(t)
	s.Expire()
	err := regions(context.Background(), a.Region("us-east-1"))
	if err == nil || !strings.Contains(err.Error(), "RequestExpired") || !strings.Contains(strings.Join(hint.Of(err), ""), "it goes on where it stopped") {
		t.Errorf("got %v, hints %q", err, hint.Of(err))
	}
	var b bytes.Buffer
	fmt.Fprint(&b, err)
	if strings.Contains(b.String(), ec2test.Secret) {
		t.Error("the secret is told")
	}
}
