#include "auto_label_image_grounding/http/curl_transport.h"

#include <curl/curl.h>
#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "auto_label_image_grounding/http/ca_bundle.h"
#include "auto_label_image_grounding/http/connection_sharing.h"
#include "auto_label_image_grounding/http/curl_transfer.h"
#include "auto_label_image_grounding/http/io_thread.h"
#include "auto_label_image_grounding/http/pending_requests.h"
#include "auto_label_image_grounding/http/socket_watch.h"

namespace alig {
namespace {

using Kind = TransportFault::Kind;
using TransferPtr = std::unique_ptr<CurlTransfer>;

// HTTP/2 requests that share a connection at most: few enough that a broken connection takes few
// requests along, and that uploads do not share one TCP window.
constexpr std::size_t kStreamsPerConnection = 16;

// A large buffer wakes the receiver less often: 128 KiB instead of 32 KiB saved a sixth of the CPU
// time of a 500 KB image, 256 KiB no more. 1,000 requests share 32 MiB.
long upload_buffer_bytes(std::size_t max_connections) {
  constexpr long kForAll = 16L * 1024 * 1024;
  return std::clamp(kForAll / static_cast<long>(max_connections), 32L * 1024, 128L * 1024);
}

struct MultiDeleter {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
using Multi = std::unique_ptr<CURLM, MultiDeleter>;

struct ShareDeleter {
  void operator()(CURLSH* share) const { curl_share_cleanup(share); }
};
using Share = std::unique_ptr<CURLSH, ShareDeleter>;

// Requests that may share an HTTP/2 connection. (curl itself does not distribute requests by a
// limit of streams: beyond it, libcurl 7.88 opens a new connection for each request.)
struct Lane {
  Multi multi;
  std::size_t active = 0;
};

struct ActiveTransfer {
  std::unique_ptr<CurlTransfer> transfer;
  Lane* lane;
};

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

CaLocations find_ca() {
  const curl_version_info_data* version = curl_version_info(CURLVERSION_NOW);
  CaSearch search;
  search.environment = environment;
  search.file_exists = [](const std::string& path) {
    std::error_code ignored;
    return std::filesystem::exists(path, ignored);
  };
  if (version->cainfo != nullptr) search.built_in_file = version->cainfo;
  if (version->capath != nullptr) search.built_in_directory = version->capath;
  return find_ca_locations(search);
}

void initialise_curl() {
  static const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (code != CURLE_OK) {
    throw std::runtime_error(fmt::format("libcurl: {}", curl_easy_strerror(code)));
  }
}

// --- The I/O thread's own: everything here runs on it, after construction ---

class Engine {
 public:
  Engine(const CurlTransportOptions& options, RequestInbox& inbox)
      : max_active_(static_cast<std::size_t>(std::max(options.max_connections, 1))),
        settings_{options.max_response_bytes,
                  options.user_agent,
                  options.connect_timeout,
                  options.unprocessed_within,
                  upload_buffer_bytes(max_active_),
                  find_ca(),
                  names_.get(),
                  sharing_.allowed()},
        inbox_(inbox),
        lanes_((max_active_ + kStreamsPerConnection - 1) / kStreamsPerConnection) {
    for (Lane& lane : lanes_) {
      lane.multi = make_multi();
      watch_.add(lane.multi.get());
    }
  }
  ~Engine() {
    // Handles must leave the multi handle before either of them is destroyed.
    for (auto& [easy, active] : active_) curl_multi_remove_handle(active.lane->multi.get(), easy);
  }
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // May be called from any thread.
  void wake() { watch_.wake(); }

  // Returns when the inbox says stop.
  void run() {
    try {
      while (serve()) {
      }
      return;
    } catch (const std::exception& error) {
      why_ = fmt::format("the transport's I/O thread failed: {}", error.what());
    } catch (...) {
      why_ = "the transport's I/O thread failed";
    }
    while (refuse()) {
    }
  }

 private:
  // False where the inbox says stop.
  bool serve() {
    RequestInbox::Mail mail = inbox_.take();
    const std::size_t sent = mail.sent.size();
    for (PendingRequest& request : mail.sent) waiting_.push_back(std::move(request));
    if (mail.stop) cancel_all_but(0);
    if (mail.stop) return false;
    if (mail.cancel) cancel_all_but(sent - mail.cancelled);
    start_waiting();
    watch_.run_once();
    finish_ready();
    if (lookup_.owner != nullptr && lookup_.owner->has_looked_up()) end_lookup();
    return true;
  }

  static Multi make_multi() {
    Multi multi(curl_multi_init());
    if (multi == nullptr) throw std::runtime_error("libcurl: curl_multi_init failed");
    constexpr auto kRequests = static_cast<long>(kStreamsPerConnection);
    curl_multi_setopt(multi.get(), CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_MULTIPLEX));
    curl_multi_setopt(multi.get(), CURLMOPT_MAX_CONCURRENT_STREAMS, kRequests);
    curl_multi_setopt(multi.get(), CURLMOPT_MAXCONNECTS, kRequests);
    return multi;
  }

  // One thread uses it, so that it needs no locks.
  static Share make_names() {
    Share names(curl_share_init());
    if (names == nullptr ||
        curl_share_setopt(names.get(), CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS) != CURLSHE_OK) {
      throw std::runtime_error("libcurl: curl_share_init failed");
    }
    return names;
  }

  void start_waiting() {
    while (!waiting_.empty() && active_.size() < max_active_) start(take_waiting());
  }

  PendingRequest take_waiting() {
    PendingRequest first = std::move(waiting_.front());
    waiting_.pop_front();
    return first;
  }

  void start(PendingRequest pending) {
    if (auto bad = find_bad_header(pending.request())) {
      return pending.finish(tl::unexpected(std::move(*bad)));
    }
    auto transfer = std::make_unique<CurlTransfer>(std::move(pending));
    try {
      const UrlFacts& url = remember_url(transfer->pending.request().url);
      transfer->configure(take_idle(), settings_, url, lookup_);
    } catch (const std::runtime_error& error) {
      return transfer->pending.fail(Kind::kInvalidRequest, error.what());
    }
    CURL* easy = transfer->easy.get();
    Lane& lane = first_with_room();
    ++lane.active;
    active_.emplace(easy, ActiveTransfer{std::move(transfer), &lane});
    if (const CURLMcode code = curl_multi_add_handle(lane.multi.get(), easy); code != CURLM_OK) {
      take_active(easy)->pending.fail(Kind::kOther, curl_multi_strerror(code));
    }
  }

  // There is one: the lanes have room for max_active_. The first of them, so that few requests
  // share few connections.
  Lane& first_with_room() {
    return *std::find_if(lanes_.begin(), lanes_.end(),
                         [](const Lane& lane) { return lane.active < kStreamsPerConnection; });
  }

  // A run asks one URL, or two.
  const UrlFacts& remember_url(const std::string& url) {
    if (url != last_url_) {
      last_facts_ = facts_of(url);
      last_url_ = url;
    }
    return last_facts_;
  }

  // Connections live in the multi handle; what a used easy handle saves is its buffers and its TLS
  // session.
  CurlEasy take_idle() {
    if (idle_.empty()) {
      CurlEasy fresh(curl_easy_init());
      if (fresh == nullptr) throw std::bad_alloc();
      return fresh;
    }
    CurlEasy easy = std::move(idle_.back());
    idle_.pop_back();
    return easy;
  }

  void finish_ready() {
    for (const Lane& lane : lanes_) {
      int left = 0;
      while (const CURLMsg* message = curl_multi_info_read(lane.multi.get(), &left)) {
        if (message->msg == CURLMSG_DONE) finish_one(message->easy_handle, message->data.result);
      }
    }
  }

  void finish_one(CURL* easy, CURLcode code) {
    const bool owns_lookup = lookup_.owner == active_.at(easy).transfer.get();
    TransferPtr transfer = take_active(easy);
    HttpOutcome outcome = transfer->take_outcome(code);
    const bool looked_up = transfer->has_looked_up();
    if (transfer->url.https) learn_to_share(outcome);
    if (outcome) recycle(std::move(transfer->easy));
    if (transfer->held_back && !outcome) return hold_back(std::move(transfer->pending));
    if (owns_lookup && !outcome && !looked_up) share_fault(outcome.error(), *transfer);
    if (owns_lookup) end_lookup();
    transfer->pending.finish(std::move(outcome));
  }

  // (http:// is HTTP/1.1, where nothing is shared.)
  void learn_to_share(const HttpOutcome& outcome) {
    if (outcome) sharing_.on_answer();
    if (!outcome && outcome.error().kind == Kind::kUnprocessed) sharing_.on_unprocessed();
    if (sharing_.allowed() == settings_.share_connections) return;
    settings_.share_connections = sharing_.allowed();
    for (const Lane& lane : lanes_) {
      curl_multi_setopt(
          lane.multi.get(), CURLMOPT_PIPELINING,
          static_cast<long>(sharing_.allowed() ? CURLPIPE_MULTIPLEX : CURLPIPE_NOTHING));
    }
  }

  void hold_back(PendingRequest request) {
    if (lookup_.owner != nullptr) return held_back_.push_back(std::move(request));
    waiting_.push_front(std::move(request));  // it has ended meanwhile
  }

  // Requests that waited for the lookup start again.
  void end_lookup() {
    lookup_.owner = nullptr;
    for (; !held_back_.empty(); held_back_.pop_back()) {
      waiting_.push_front(std::move(held_back_.back()));
    }
  }

  // A fault of the lookup's owner also applies to requests that waited for the same name.
  void share_fault(const TransportFault& fault, const CurlTransfer& owner) {
    std::deque<PendingRequest> held = std::exchange(held_back_, {});
    for (PendingRequest& request : held) {
      if (request.request().url == owner.pending.request().url) {
        request.finish(tl::unexpected(fault));
      } else {
        held_back_.push_back(std::move(request));
      }
    }
  }

  TransferPtr take_active(CURL* easy) {
    auto node = active_.extract(easy);
    Lane& lane = *node.mapped().lane;
    --lane.active;
    curl_multi_remove_handle(lane.multi.get(), easy);
    TransferPtr transfer = std::move(node.mapped().transfer);
    if (lookup_.owner == transfer.get()) lookup_.owner = nullptr;
    return transfer;
  }

  // Not after a failure: libcurl 8 remembers across a reset that a body must be sent again.
  void recycle(CurlEasy easy) {
    curl_easy_reset(easy.get());  // also drops the pointers into the transfer
    idle_.push_back(std::move(easy));
  }

  // Cancels everything except the `kept` youngest in line.
  void cancel_all_but(std::size_t kept) {
    while (!active_.empty()) {
      take_active(active_.begin()->first)->pending.fail(Kind::kCancelled, "cancelled");
    }
    for (; !held_back_.empty(); held_back_.pop_front()) {
      held_back_.front().fail(Kind::kCancelled, "cancelled");
    }
    while (waiting_.size() > kept) take_waiting().fail(Kind::kCancelled, "cancelled");
  }

  // The thread's second life, after a failure: it answers everybody with the reason.
  bool refuse() {
    while (!active_.empty()) turn_away(take_active(active_.begin()->first)->pending);
    for (auto* line : {&held_back_, &waiting_}) {
      for (; !line->empty(); line->pop_front()) turn_away(line->front());
    }
    RequestInbox::Mail mail = inbox_.wait();
    for (PendingRequest& request : mail.sent) turn_away(request);
    return !mail.stop;
  }

  void turn_away(PendingRequest& request) {
    try {
      request.fail(Kind::kOther, why_);
    } catch (...) {  // it was a `done` that threw before; the others still have to hear
    }
  }

  const std::size_t max_active_;
  const Share names_ = make_names();  // all lanes'
  ConnectionSharing sharing_;
  CurlSettings settings_;
  RequestInbox& inbox_;
  std::vector<Lane> lanes_;
  SocketWatch watch_;
  std::vector<CurlEasy> idle_;
  std::unordered_map<CURL*, ActiveTransfer> active_;
  std::deque<PendingRequest> waiting_;
  NameLookup lookup_;
  std::deque<PendingRequest> held_back_;  // by lookup_
  std::string last_url_;
  UrlFacts last_facts_;
  std::string why_;
};

class CurlTransport final : public HttpTransport {
 public:
  explicit CurlTransport(const CurlTransportOptions& options)
      : engine_(options, inbox_), thread_(start_without_signals([this] { engine_.run(); })) {}
  ~CurlTransport() override {
    inbox_.stop();
    engine_.wake();
    thread_.join();
  }

  void send(HttpRequest request, Done done) override {
    if (inbox_.add(PendingRequest(std::move(request), std::move(done)))) {
      engine_.wake();
    }
  }
  void cancel_all() override {
    inbox_.cancel();
    engine_.wake();
  }

 private:
  RequestInbox inbox_;
  Engine engine_;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<HttpTransport> make_curl_transport(const CurlTransportOptions& options) {
  initialise_curl();
  CurlTransportOptions granted = options;
  granted.max_connections = raise_file_limit(options.max_connections);
  return std::make_unique<CurlTransport>(granted);
}

}  // namespace alig
