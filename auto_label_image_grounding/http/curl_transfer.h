// One request on one of libcurl's easy handles. Used only by curl_transport.cc; runs on its I/O
// thread.
#pragma once

#include <curl/curl.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "auto_label_image_grounding/http/body_reader.h"
#include "auto_label_image_grounding/http/ca_bundle.h"
#include "auto_label_image_grounding/http/pending_requests.h"
#include "auto_label_image_grounding/http/transport.h"

namespace alig {

struct CurlEasyDeleter {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct CurlListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using CurlEasy = std::unique_ptr<CURL, CurlEasyDeleter>;
using CurlHeaderList = std::unique_ptr<curl_slist, CurlListDeleter>;

// What all requests of a transport have in common.
struct CurlSettings {
  std::uint64_t max_response_bytes = 0;
  std::string user_agent{};
  std::chrono::milliseconds connect_timeout{0};
  std::chrono::milliseconds unprocessed_within{0};
  long max_upload_buffer_bytes = 32 * 1024;  // curl's own, for each request in flight
  CaLocations ca{};
  CURLSH* names = nullptr;  // the cache of resolved host names
  bool share_connections = true;
};

struct UrlFacts {
  bool https = false;
  bool loopback = false;
  std::string port{};
};
UrlFacts facts_of(const std::string& url);

struct CurlTransfer;

// The host name lookup in progress. curl starts a thread for each and does not merge them: a
// thousand requests starting at once would start hundreds of threads. So there is one at a time,
// and other requests that need one are aborted in curl before anything is sent.
struct NameLookup {
  const CurlTransfer* owner = nullptr;  // null: none
};

// Not movable: curl holds pointers into it.
struct CurlTransfer {
  explicit CurlTransfer(PendingRequest the_pending)
      : pending(std::move(the_pending)), reader(pending.request().body) {}
  CurlTransfer(const CurlTransfer&) = delete;
  CurlTransfer& operator=(const CurlTransfer&) = delete;

  // Sets up the fresh (or reset) handle. Throws std::runtime_error if curl refuses an option.
  // `url_facts`: those of pending.request().url. `shared_lookup` must outlive the transfer.
  void configure(CurlEasy handle, const CurlSettings& settings, const UrlFacts& url_facts,
                 NameLookup& shared_lookup);
  // After curl has ended with `code`. Moves the response out.
  HttpOutcome take_outcome(CURLcode code);
  bool has_looked_up() const;

  PendingRequest pending;
  BodyReader reader;
  CurlHeaderList headers;
  CurlEasy easy;
  HttpResponse response;
  std::size_t header_bytes = 0;
  std::uint64_t max_response_bytes = 0;
  std::chrono::milliseconds unprocessed_within{0};
  UrlFacts url;
  std::string ca_origin;
  std::optional<TransportFault> fault;  // found by a callback; curl's own code says only "aborted"
  std::array<char, CURL_ERROR_SIZE> error_text{};
  NameLookup* lookup = nullptr;
  // When curl had a connection for it: from then on it may have been sent, or a part of it.
  std::optional<std::chrono::steady_clock::time_point> begun_at;
  bool opened_connection = false;  // the one that it began on
  bool held_back = false;          // aborted because of another's lookup, to be started again
};

}  // namespace alig
