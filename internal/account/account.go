// Package account is access to an AWS account: its credentials, the clients
// of each region, and calls that are patient where AWS asks for patience and
// whose errors say what to do.
package account

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ebs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"
	"github.com/respin-project/respin/internal/hint"
)

// readTimeout is how long a server may take from a request's last byte to its answer's first.
const readTimeout = 12 * time.Second

// An Account is what the credentials found open.
type Account struct {
	Number string // twelve digits; known after Identify
	ARN    string // who we are in it

	Patience Patience

	config aws.Config
	mu     sync.Mutex
	opened map[string]*Region
}

// A Region is the account in one region.
type Region struct {
	Name   string
	EC2    *ec2.Client
	EBS    *ebs.Client
	SSM    *ssm.Client
	Quotas *servicequotas.Client

	account  *Account
	patience func() Patience
}

// Open finds credentials where the tools of AWS look for them, and in GitHub's
// OpenID Connect where a workflow may use it. getenv is os.Getenv. connections
// is how many requests are made at a time. Nothing is asked of AWS yet.
func Open(ctx context.Context, getenv func(string) string, connections int) (*Account, error) {
	cfg, err := config.LoadDefaultConfig(ctx,
		config.WithHTTPClient(client(connections)),
		config.WithLogger(logging.Nop{}), // what goes wrong comes as an error, too
		// Package account retries: it knows what waiting helps against, and for how long.
		config.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }),
	)
	if err != nil {
		return nil, hint.Wrap(fmt.Errorf("reading the configuration of AWS: %w", err), "~/.aws/config and the variables AWS_* say what it is")
	}
	if g := githubOf(getenv); g != nil {
		cfg.Credentials = aws.NewCredentialsCache(g.provider(cfg), func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = 5 * time.Minute })
	}
	return &Account{Patience: DefaultPatience, config: cfg, opened: map[string]*Region{}}, nil
}

// client returns one whose connections are kept for the next block, each for
// one request at a time: many uploads over one connection of HTTP/2 would wait
// for each other. It is of the SDK's kind, to which AWS_CA_BUNDLE can add.
func client(connections int) aws.HTTPClient {
	dialer := func(d *net.Dialer) {
		d.Timeout = 5 * time.Second
		d.KeepAlive = 15 * time.Second
	}
	return awshttp.NewBuildableClient().WithDialerOptions(dialer).WithTransportOptions(func(t *http.Transport) {
		t.Protocols = new(http.Protocols)
		t.Protocols.SetHTTP1(true)
		t.ForceAttemptHTTP2 = false
		t.MaxIdleConns = 0 // no limit over all hosts
		t.MaxIdleConnsPerHost = connections
		t.IdleConnTimeout = 30 * time.Second
		t.TLSHandshakeTimeout = 5 * time.Second
		t.ResponseHeaderTimeout = readTimeout
		t.WriteBufferSize = 256 << 10
		t.ReadBufferSize = 16 << 10
	})
}

// DefaultRegion is the one that the configuration names; empty if it names none.
func (a *Account) DefaultRegion() string { return a.config.Region }

// Region returns the account in a region.
func (a *Account) Region(name string) *Region {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r := a.opened[name]; r != nil {
		return r
	}
	cfg := a.config.Copy()
	cfg.Region = name
	r := &Region{name, ec2.NewFromConfig(cfg), ebs.NewFromConfig(cfg), ssm.NewFromConfig(cfg), servicequotas.NewFromConfig(cfg), a, func() Patience { return a.Patience }}
	a.opened[name] = r
	return r
}

// Identify asks AWS whose the credentials are.
func (a *Account) Identify(ctx context.Context, region string) error {
	if _, err := a.config.Credentials.Retrieve(ctx); err != nil {
		return hint.Wrap(fmt.Errorf("finding credentials for AWS: %w", brief(err)),
			"set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, run aws sso login, or on GitHub Actions give the job id-token: write and set AWS_ROLE_ARN")
	}
	cfg := a.config.Copy()
	cfg.Region = region
	first := *a.Region(region)
	first.patience = func() Patience { // nothing has been done yet that would be worth waiting for
		p := a.Patience
		p.Outage = min(p.Outage, 10*time.Second)
		return p
	}
	who, err := Call(ctx, &first, "asking AWS who we are", func(ctx context.Context) (*sts.GetCallerIdentityOutput, error) {
		return sts.NewFromConfig(cfg).GetCallerIdentity(ctx, nil)
	})
	if err != nil {
		return err
	}
	a.Number, a.ARN = aws.ToString(who.Account), aws.ToString(who.Arn)
	return nil
}

// refresh forgets the credentials, so that the next request asks for new ones,
// and reports whether there can be any.
func (a *Account) refresh(ctx context.Context) bool {
	cache, ok := a.config.Credentials.(*aws.CredentialsCache)
	if !ok {
		return false
	}
	if c, err := cache.Retrieve(ctx); err != nil || !c.CanExpire {
		return false
	}
	cache.Invalidate()
	return true
}

// brief is what is worth telling of an error of the SDK: without the operation
// and the request's id around it, nor what AWS encodes for its administrators.
func brief(err error) error {
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	if e := apiError(err); e != nil {
		return e
	}
	return err
}
