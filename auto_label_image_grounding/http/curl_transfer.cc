#include "auto_label_image_grounding/http/curl_transfer.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <new>
#include <span>
#include <stdexcept>
#include <string_view>

#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/http/curl_proxy.h"
#include "auto_label_image_grounding/http/redact.h"

static_assert(LIBCURL_VERSION_NUM >= 0x075700, "libcurl 7.87 or later is required");

namespace alig {
namespace {

using Kind = TransportFault::Kind;
using HeaderList = CurlHeaderList;
using Transfer = CurlTransfer;

constexpr std::size_t kMaxHeaderBytes = 256 * 1024;

// For the upload buffer: what curl takes at least, and room for the request's head, so that a small
// request leaves in one piece.
constexpr long kMinBuffer = 16 * 1024;
constexpr long kHeadBytes = 2 * 1024;

struct UrlDeleter {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};

// --- Fault mapping ---

struct FaultRow {
  CURLcode code;
  Kind kind;
};

// A failed handshake is as a rule an overloaded or dying server; only what is about trust is kTls.
constexpr FaultRow kFaults[] = {
    {CURLE_COULDNT_CONNECT, Kind::kConnect},
    {CURLE_SSL_CONNECT_ERROR, Kind::kConnect},
    {CURLE_PROXY, Kind::kConnect},
    {CURLE_COULDNT_RESOLVE_HOST, Kind::kDns},
    {CURLE_COULDNT_RESOLVE_PROXY, Kind::kDns},
    {CURLE_OPERATION_TIMEDOUT, Kind::kTimeout},
    {CURLE_SEND_ERROR, Kind::kReset},
    {CURLE_RECV_ERROR, Kind::kReset},
    {CURLE_GOT_NOTHING, Kind::kReset},
    {CURLE_PARTIAL_FILE, Kind::kReset},
    {CURLE_HTTP2, Kind::kReset},
    {CURLE_HTTP2_STREAM, Kind::kReset},
    {CURLE_SEND_FAIL_REWIND, Kind::kReset},
    {CURLE_PEER_FAILED_VERIFICATION, Kind::kTls},
    {CURLE_SSL_CERTPROBLEM, Kind::kTls},
    {CURLE_SSL_CACERT_BADFILE, Kind::kTls},
    {CURLE_SSL_ISSUER_ERROR, Kind::kTls},
    {CURLE_SSL_INVALIDCERTSTATUS, Kind::kTls},
    {CURLE_FILESIZE_EXCEEDED, Kind::kTooLarge},
    {CURLE_URL_MALFORMAT, Kind::kInvalidRequest},
    {CURLE_UNSUPPORTED_PROTOCOL, Kind::kInvalidRequest},
};

Kind kind_of_code(CURLcode code) {
  for (const FaultRow& row : kFaults) {
    if (row.code == code) return row.kind;
  }
  return Kind::kOther;
}

TransportFault too_large(std::uint64_t limit) {
  return {Kind::kTooLarge, fmt::format("the answer is larger than {} bytes", limit)};
}

// Nothing where the endpoint is asked directly; whether NO_PROXY names it is not looked at.
std::optional<NamedProxy> proxy_of(const Transfer& transfer) {
  if (transfer.url.loopback) return std::nullopt;
  return find_proxy(transfer.url.https, [](const char* name) -> std::string {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
  });
}

std::optional<TransportFault> find_proxy_fault(const Transfer& transfer, CURLcode code) {
  const auto proxy = proxy_of(transfer);
  if (!proxy) return std::nullopt;
  long connect_status = 0;
  curl_easy_getinfo(transfer.easy.get(), CURLINFO_HTTP_CONNECTCODE, &connect_status);
  auto fault = fault_of_proxy(*proxy, {code, connect_status, transfer.error_text.data()});
  if (fault) fault->message = redact(scrub_utf8(fault->message), {});
  return fault;
}

// Its port gives it away, unless it is the endpoint's too.
void name_proxy_in_use(const Transfer& transfer, TransportFault& fault) {
  const auto proxy = proxy_of(transfer);
  long peer_port = 0;
  curl_easy_getinfo(transfer.easy.get(), CURLINFO_PRIMARY_PORT, &peer_port);
  if (!proxy || proxy->port != std::to_string(peer_port)) return;
  if (proxy->port != transfer.url.port) name_proxy(*proxy, fault);
}

std::string advice_on_trust(const Transfer& transfer) {
  return fmt::format(
      ". Check the certificate; trusted is what {} holds. For a private CA set SSL_CERT_FILE or "
      "CURL_CA_BUNDLE",
      transfer.ca_origin);
}

// Whether the server gave the request back, or never saw it, as far as one can tell: it did not
// answer with a byte, on a connection that it had accepted requests on before, and soon. Such
// connections end because the server has had enough requests on them (HTTP/2: GOAWAY), or had
// closed them already when this one was sent. A later end may cut off a model at work.
bool is_unprocessed(const Transfer& transfer) {
  return transfer.begun_at && !transfer.opened_connection && transfer.header_bytes == 0 &&
         std::chrono::steady_clock::now() - *transfer.begun_at <= transfer.unprocessed_within;
}

bool is_all_sent(const Transfer& transfer) {
  curl_off_t sent = 0;
  curl_easy_getinfo(transfer.easy.get(), CURLINFO_SIZE_UPLOAD_T, &sent);
  return static_cast<std::uint64_t>(sent) >= body_size(transfer.pending.request().body);
}

// Whether the code is about the end of the connection, or of a stream that had not been sent yet.
// (libcurl 7.88 loses some answers to requests that share a connection and are still being sent,
// such as nginx's 413: it then says CURLE_HTTP2_STREAM.)
bool is_end(const Transfer& transfer, CURLcode code) {
  constexpr CURLcode kEnds[] = {CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_GOT_NOTHING,
                                CURLE_PARTIAL_FILE, CURLE_HTTP2};
  if (code == CURLE_HTTP2_STREAM) return !is_all_sent(transfer);
  return std::find(std::begin(kEnds), std::end(kEnds), code) != std::end(kEnds);
}

TransportFault fault_of_transfer(const Transfer& transfer, CURLcode code) {
  if (transfer.fault) return *transfer.fault;
  if (code == CURLE_FILESIZE_EXCEEDED) return too_large(transfer.max_response_bytes);
  if (auto fault = find_proxy_fault(transfer, code)) return *fault;
  const char* detail = transfer.error_text.data();
  const std::string message = *detail != '\0' ? detail : curl_easy_strerror(code);
  Kind kind = kind_of_code(code);
  curl_off_t sent_after = 0;
  curl_easy_getinfo(transfer.easy.get(), CURLINFO_PRETRANSFER_TIME_T, &sent_after);
  if (kind == Kind::kTimeout && sent_after == 0) kind = Kind::kConnect;
  // curl uses one code for a non-HTTP URL and for a non-HTTP answer ("HTTP/0.9").
  if (code == CURLE_UNSUPPORTED_PROTOCOL && sent_after != 0) kind = Kind::kReset;
  if (is_end(transfer, code) && is_unprocessed(transfer)) kind = Kind::kUnprocessed;
  TransportFault fault{kind, redact(scrub_utf8(message), {}),
                       kind == Kind::kTls ? advice_on_trust(transfer) : ""};
  if (kind == Kind::kReset && !transfer.url.https) name_proxy_in_use(transfer, fault);
  return fault;
}

// --- Callbacks: C calls them, so nothing may be thrown through ---

template <typename Body>
bool guarded(Transfer& transfer, Body body) {
  try {
    return body();
  } catch (const std::exception& error) {
    transfer.fault = {Kind::kOther, error.what()};
  } catch (...) {
    transfer.fault = {Kind::kOther, "unknown exception"};
  }
  return false;
}

std::size_t on_read(char* buffer, std::size_t size, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  std::size_t filled = 0;
  const bool good = guarded(transfer, [&] {
    auto piece = transfer.reader.read(std::span(buffer, size * count));
    if (!piece) transfer.fault = piece.error();
    filled = piece.value_or(0);
    return piece.has_value();
  });
  return good ? filled : CURL_READFUNC_ABORT;
}

// curl itself repeats a request whose stream was refused, or which a connection in use before
// returned no byte for. It does not tell the two apart: the first was certainly not worked on, the
// second may have been. So the code that counts requests must decide.
void refuse_to_repeat(Transfer& transfer) {
  guarded(transfer, [&] {
    transfer.fault = {is_unprocessed(transfer) ? Kind::kUnprocessed : Kind::kReset,
                      "the connection ended without an answer"};
    return false;
  });
}

// Once there is a connection, each time before the request is sent on it.
int on_begin(void* user, char*, char*, int, int) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (transfer.begun_at) {
    refuse_to_repeat(transfer);
    return CURL_PREREQFUNC_ABORT;
  }
  long opened = 0;
  curl_easy_getinfo(transfer.easy.get(), CURLINFO_NUM_CONNECTS, &opened);
  transfer.opened_connection = opened != 0;
  transfer.begun_at = std::chrono::steady_clock::now();
  return CURL_PREREQFUNC_OK;
}

// Back to the beginning of a body that was read in part: before or after curl connects again,
// depending on its version, and in any case before on_begin.
int on_seek(void* user, curl_off_t, int) {
  refuse_to_repeat(*static_cast<Transfer*>(user));
  return CURL_SEEKFUNC_FAIL;
}

std::size_t on_write(char* data, std::size_t size, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::size_t bytes = size * count;
  const bool good = guarded(transfer, [&] {
    if (transfer.response.body.size() + bytes > transfer.max_response_bytes) {
      transfer.fault = too_large(transfer.max_response_bytes);
      return false;
    }
    transfer.response.body.append(data, bytes);
    return true;
  });
  // Any other number than `bytes` makes curl stop.
  return good ? bytes : (bytes == 0 ? 1 : 0);
}

void add_header_line(HttpResponse& response, std::string_view line) {
  // Every response begins with a status line; only the last response (after 1xx) counts.
  if (line.substr(0, 5) == "HTTP/") return response.headers.clear();
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return;
  response.headers.emplace_back(ascii_lower(trim(line.substr(0, colon))),
                                std::string(trim(line.substr(colon + 1))));
}

std::size_t on_header(char* data, std::size_t size, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::size_t bytes = size * count;
  const bool good = guarded(transfer, [&] {
    transfer.header_bytes += bytes;
    if (transfer.header_bytes > kMaxHeaderBytes) {
      transfer.fault = {Kind::kTooLarge, "the answer's headers are too large"};
      return false;
    }
    add_header_line(transfer.response, std::string_view(data, bytes));
    return true;
  });
  return good ? bytes : 0;
}

// Not zero: curl ends the request.
int on_lookup(void*, void*, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const CurlTransfer*& owner = transfer.lookup->owner;
  if (owner == nullptr) owner = &transfer;
  transfer.held_back = owner != &transfer;
  return transfer.held_back ? 1 : 0;
}

// --- Setting a request up ---

template <typename Value>
void set(CURL* easy, CURLoption option, Value value) {
  const CURLcode code = curl_easy_setopt(easy, option, value);
  if (code != CURLE_OK) {
    throw std::runtime_error(
        fmt::format("curl option {}: {}", static_cast<int>(option), curl_easy_strerror(code)));
  }
}

void append(HeaderList& list, const std::string& line) {
  curl_slist* longer = curl_slist_append(list.get(), line.c_str());
  if (longer == nullptr) throw std::bad_alloc();
  (void)list.release();
  list.reset(longer);
}

HeaderList make_header_list(const HttpHeaders& headers) {
  HeaderList list;
  append(list, "Expect:");  // servers that do not know it cost a second each
  bool has_content_type = false;
  for (const auto& [name, value] : headers) {
    has_content_type |= ascii_lower(name) == "content-type";
    append(list, value.empty() ? name + ";" : name + ": " + value);  // curl's spelling of "empty"
  }
  if (!has_content_type) append(list, "Content-Type:");  // not curl's form-urlencoded
  return list;
}

std::string url_part(const std::string& url, CURLUPart part, unsigned flags = 0) {
  const std::unique_ptr<CURLU, UrlDeleter> parsed(curl_url());
  char* text = nullptr;
  if (parsed == nullptr || curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK ||
      curl_url_get(parsed.get(), part, &text, flags) != CURLUE_OK) {
    return "";
  }
  std::string out = ascii_lower(text);
  curl_free(text);
  return out;
}

bool is_loopback(const std::string& host) {
  constexpr std::string_view kSuffix = ".localhost";
  return host == "localhost" || host == "[::1]" || host.rfind("127.", 0) == 0 ||
         (host.size() > kSuffix.size() && host.ends_with(kSuffix));
}

void set_body(CURL* easy, Transfer& transfer, long max_buffer_bytes) {
  const HttpRequest& request = transfer.pending.request();
  if (request.method == "GET") return set(easy, CURLOPT_HTTPGET, 1L);
  set(easy, CURLOPT_POST, 1L);
  if (request.method != "POST") set(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  const auto size = static_cast<curl_off_t>(body_size(request.body));
  set(easy, CURLOPT_POSTFIELDSIZE_LARGE, size);
  set(easy, CURLOPT_READFUNCTION, &on_read);
  set(easy, CURLOPT_READDATA, &transfer);
  set(easy, CURLOPT_SEEKFUNCTION, &on_seek);
  set(easy, CURLOPT_SEEKDATA, &transfer);
  set(easy, CURLOPT_UPLOAD_BUFFERSIZE,
      static_cast<long>(std::clamp<curl_off_t>(size + kHeadBytes, kMinBuffer, max_buffer_bytes)));
}

void set_begin(CURL* easy, Transfer& transfer) {
  set(easy, CURLOPT_PREREQFUNCTION, &on_begin);
  set(easy, CURLOPT_PREREQDATA, &transfer);
}

void set_answer(CURL* easy, Transfer& transfer) {
  set(easy, CURLOPT_WRITEFUNCTION, &on_write);
  set(easy, CURLOPT_WRITEDATA, &transfer);
  set(easy, CURLOPT_HEADERFUNCTION, &on_header);
  set(easy, CURLOPT_HEADERDATA, &transfer);
  set(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(easy, CURLOPT_ACCEPT_ENCODING, "");
  set(easy, CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(transfer.max_response_bytes));
  set(easy, CURLOPT_FOLLOWLOCATION, 0L);
  set(easy, CURLOPT_ERRORBUFFER, transfer.error_text.data());
}

void set_connection(CURL* easy, const UrlFacts& url, bool share) {
  set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  set(easy, CURLOPT_TCP_NODELAY, 1L);
  set(easy, CURLOPT_TCP_KEEPALIVE, 1L);  // a model may think longer than a NAT remembers
  set(easy, CURLOPT_TCP_KEEPIDLE, 30L);
  set(easy, CURLOPT_NOSIGNAL, 1L);
  // Without it, giving up on a name waits for the resolver's thread, and all requests with it.
  set(easy, CURLOPT_QUICK_EXIT, 1L);
  // A libcurl without HTTP/2 refuses this; HTTP/1.1 is what it does then.
  (void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  // Wait for a connection under way to tell whether it can be shared, instead of opening hundreds.
  if (url.https && share) set(easy, CURLOPT_PIPEWAIT, 1L);
  if (url.loopback) set(easy, CURLOPT_PROXY, "");
}

void set_settings(CURL* easy, const CurlSettings& settings) {
  if (!settings.user_agent.empty()) set(easy, CURLOPT_USERAGENT, settings.user_agent.c_str());
  const CaLocations& ca = settings.ca;
  if (!ca.file.empty()) set(easy, CURLOPT_CAINFO, ca.file.c_str());
  if (!ca.directory.empty()) set(easy, CURLOPT_CAPATH, ca.directory.c_str());
  // Where a directory is set, built in as in Debian's curl, say, each connection reads the whole
  // bundle again: 20 ms and 0.8 MB. Without one, curl keeps what it has read.
  if (!ca.file.empty() && ca.directory.empty()) {
    set(easy, CURLOPT_CAPATH, static_cast<const char*>(nullptr));
  }
}

void set_lookup(CURL* easy, Transfer& transfer, CURLSH* names) {
  set(easy, CURLOPT_SHARE, names);
  set(easy, CURLOPT_RESOLVER_START_FUNCTION, &on_lookup);
  set(easy, CURLOPT_RESOLVER_START_DATA, &transfer);
}

void set_timeouts(CURL* easy, std::chrono::milliseconds whole, std::chrono::milliseconds connect) {
  // 0 would mean "none" to curl.
  const auto at_least_one = [](std::chrono::milliseconds time) {
    return static_cast<long>(std::clamp<std::chrono::milliseconds::rep>(time.count(), 1, 1 << 30));
  };
  set(easy, CURLOPT_TIMEOUT_MS, at_least_one(whole));
  set(easy, CURLOPT_CONNECTTIMEOUT_MS, at_least_one(connect));
}

}  // namespace

UrlFacts facts_of(const std::string& url) {
  return {url_part(url, CURLUPART_SCHEME) == "https", is_loopback(url_part(url, CURLUPART_HOST)),
          url_part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT)};
}

void CurlTransfer::configure(CurlEasy handle, const CurlSettings& settings,
                             const UrlFacts& url_facts, NameLookup& shared_lookup) {
  const HttpRequest& request = pending.request();
  easy = std::move(handle);
  url = url_facts;
  ca_origin = settings.ca.origin;
  lookup = &shared_lookup;
  headers = make_header_list(request.headers);
  max_response_bytes = settings.max_response_bytes;
  unprocessed_within = settings.unprocessed_within;
  set(easy.get(), CURLOPT_URL, request.url.c_str());
  set(easy.get(), CURLOPT_HTTPHEADER, headers.get());
  set_body(easy.get(), *this, settings.max_upload_buffer_bytes);
  set_begin(easy.get(), *this);
  set_answer(easy.get(), *this);
  set_connection(easy.get(), url, settings.share_connections);
  set_timeouts(easy.get(), request.timeout, settings.connect_timeout);
  set_settings(easy.get(), settings);
  set_lookup(easy.get(), *this, settings.names);
}

bool CurlTransfer::has_looked_up() const {
  curl_off_t after = 0;
  curl_easy_getinfo(easy.get(), CURLINFO_NAMELOOKUP_TIME_T, &after);
  return after != 0;
}

HttpOutcome CurlTransfer::take_outcome(CURLcode code) {
  if (code != CURLE_OK || fault) return tl::unexpected(fault_of_transfer(*this, code));
  long status = 0;
  curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
  response.status = static_cast<int>(status);
  constexpr int kWantsPassword = 407;
  const auto proxy = status == kWantsPassword ? proxy_of(*this) : std::nullopt;
  if (proxy) return tl::unexpected(fault_of_proxy_status(*proxy, status));
  return std::move(response);
}

}  // namespace alig
