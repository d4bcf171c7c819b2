package account

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/respin-project/respin/internal/hint"
)

// A Failing is what kind of failure an error of a call is.
type Failing int

const (
	Final     Failing = iota // asking again gives the same answer
	Throttled                // AWS wants us to slow down
	Outage                   // AWS, or what lies between, does not work
	Expired                  // the credentials have expired
)

// throttles are the codes that stand for too many requests, or too much at the same time.
var throttles = map[string]bool{
	"RequestLimitExceeded": true, "Throttling": true, "ThrottlingException": true, "ThrottledException": true, "RequestThrottled": true,
	"RequestThrottledException": true, "TooManyRequestsException": true, "EC2ThrottledException": true, "PriorRequestNotComplete": true, "SlowDown": true,
	"BandwidthLimitExceeded": true, "ConcurrentLimitExceededException": true, "TooManyUpdates": true, "TransactionInProgressException": true,
}

var expiries = map[string]bool{"ExpiredToken": true, "ExpiredTokenException": true, "RequestExpired": true}

// Code is AWS's code of an error; empty if AWS did not answer with one.
func Code(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	if e, ok := errors.AsType[smithy.APIError](err); ok && e.ErrorCode() != "UnknownError" {
		return e.ErrorCode()
	}
	return ""
}

// status of the answer; 0 if there was none.
func status(err error) int {
	if e, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && e.Response != nil {
		return e.HTTPStatusCode()
	}
	return 0
}

// Kind tells what kind of failure an error is.
func Kind(err error) Failing {
	code := Code(err)
	_, ours := errors.AsType[*smithy.InvalidParamsError](err)
	_, unwritten := errors.AsType[*smithy.SerializationError](err)
	switch {
	case throttles[code], status(err) == http.StatusTooManyRequests:
		return Throttled
	case code == "ResourceLimitExceeded" && strings.Contains(err.Error(), "in progress"): // copies into a region
		return Throttled
	case expiries[code]:
		return Expired
	case status(err) >= 500:
		return Outage
	case code != "", ours, unwritten, errors.Is(err, context.Canceled):
		return Final
	case status(err) >= 400:
		return Final
	}
	return Outage // no answer, or none that can be read
}

// An Error is what AWS answered.
type Error struct {
	Code, Message string
}

func (e *Error) Error() string {
	if e.Message == "" {
		return e.Code
	}
	return e.Code + ": " + e.Message
}

// apiError is what AWS said, without what it encodes for administrators; nil if it said nothing.
func apiError(err error) *Error {
	e, ok := errors.AsType[smithy.APIError](err)
	if !ok || Code(err) == "" {
		return nil
	}
	message, _, _ := strings.Cut(e.ErrorMessage(), "Encoded authorization failure message")
	return &Error{e.ErrorCode(), strings.TrimRight(message, " .")}
}

// hints say what can be done, by code.
var hints = map[string]string{
	"UnauthorizedOperation":         "docs/publish-aws.md has the policy that the role or user needs",
	"AccessDeniedException":         "docs/publish-aws.md has the policy that the role or user needs",
	"AccessDenied":                  "docs/publish-aws.md has the policy that the role or user needs",
	"AuthFailure":                   "are the credentials those of this partition, and is the region enabled for the account?",
	"InvalidClientTokenId":          "the access key does not exist, or the region is not enabled for the account",
	"UnrecognizedClientException":   "the access key does not exist, or the region is not enabled for the account",
	"SignatureDoesNotMatch":         "the secret access key is not the one of the access key id",
	"InvalidSignatureException":     "is the secret access key right, and does the machine's clock tell the time?",
	"ExpiredToken":                  "get new credentials, for instance with aws sso login, and run it again: it goes on where it stopped",
	"ExpiredTokenException":         "get new credentials, for instance with aws sso login, and run it again: it goes on where it stopped",
	"RequestExpired":                "get new credentials, or set the machine's clock, and run it again: it goes on where it stopped",
	"OptInRequired":                 "enable the region for the account, or leave it out of --region",
	"OperationNotPermitted":         "if the region blocks public access to images, leave --public out or disable the block",
	"InvalidAMIName.Malformed":      "--name makes another name",
	"ServiceQuotaExceededException": "ask for a higher quota in the Service Quotas console",
	"ResourceLimitExceeded":         "ask for a higher quota in the Service Quotas console, or retire images with --retire",
}

// explain makes of the error of a call one for people.
func (r *Region) explain(what string, err error) error {
	told := err
	if e := apiError(err); e != nil {
		told = e
	} else if code := status(err); code != 0 {
		told = fmt.Errorf("the answer is %d %s", code, http.StatusText(code))
	} else if e, ok := errors.AsType[*smithyhttp.RequestSendError](err); ok {
		told = e.Err
	} else if errors.Is(err, context.DeadlineExceeded) {
		told = errors.New("there is no answer")
	}
	full := fmt.Errorf("%s: %s: %w", r.Name, what, told)
	if text := hints[Code(err)]; text != "" {
		return hint.Wrap(full, "%s", text)
	}
	if Kind(err) == Outage {
		return hint.Wrap(full, "run it again later: it goes on where it stopped")
	}
	return full
}
