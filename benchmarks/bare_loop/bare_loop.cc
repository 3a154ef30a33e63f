// The physical limit: a curl_multi loop on one thread that sends the same bytes over the same
// connections and throws the answers away. No JSON is read, nothing is written, nothing is decided.
// It waits with the program's own SocketWatch: with curl_multi_poll() its cost would grow with the
// requests in flight.
//
// --prepared   every body is ready in memory before the clock starts: nothing but sending
// (default)    each image is read from its file and encoded for each request, block by block,
//              into a body whose memory is used again
#include <curl/curl.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/core.h>
#include <CLI/CLI.hpp>

#include "auto_label_image_grounding/http/socket_watch.h"

namespace bench {
namespace {

struct Options {
  std::string url, folder, head, tail;
  int requests = 0;
  int in_flight = 1;
  bool prepared = false;
};

std::string read_whole(const std::filesystem::path& path) {
  std::string out(std::filesystem::file_size(path), '\0');
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) throw std::runtime_error("cannot open " + path.string());
  const std::size_t got = std::fread(out.data(), 1, out.size(), file);
  std::fclose(file);
  if (got != out.size()) throw std::runtime_error("cannot read " + path.string());
  return out;
}

// Encodes the file to `out`, which has room for it and a NUL behind it.
void encode_file(const std::filesystem::path& path, std::vector<unsigned char>& block,
                 unsigned char* out) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw std::runtime_error("cannot open " + path.string());
  for (ssize_t got = 0; (got = ::read(fd, block.data(), block.size())) > 0;) {
    out += EVP_EncodeBlock(out, block.data(), static_cast<int>(got));
  }
  ::close(fd);
}

std::size_t throw_away(char*, std::size_t size, std::size_t count, void*) { return size * count; }

class BareLoop {
 public:
  explicit BareLoop(const Options& options)
      : options_(options),
        head_(read_whole(options.head)),
        tail_(read_whole(options.tail)),
        multi_(curl_multi_init()) {
    for (const auto& entry : std::filesystem::directory_iterator(options.folder)) {
      images_.push_back({entry.path(), (entry.file_size() + 2) / 3 * 4});
    }
    for (const Image& image : images_) {
      if (options.prepared) make_body(image, prepared_.emplace_back());
    }
    headers_ = curl_slist_append(nullptr, "Content-Type: application/json");
    headers_ = curl_slist_append(headers_, "Expect:");
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(options.in_flight));
    watch_.add(multi_);
  }

  void run() {
    bodies_.resize(static_cast<std::size_t>(options_.in_flight));
    for (int i = 0; i < options_.in_flight && sent_ < options_.requests; ++i) {
      start(curl_easy_init(), static_cast<std::size_t>(i));
    }
    while (active_ > 0) {
      watch_.run_once();
      collect();
    }
  }
  int failures() const { return failures_; }

 private:
  struct Image {
    std::filesystem::path path;
    std::size_t encoded_bytes;
  };

  // Nothing is allocated or cleared where `body` had the same size before.
  void make_body(const Image& image, std::string& body) {
    body.resize(head_.size() + image.encoded_bytes + tail_.size());
    head_.copy(body.data(), head_.size());
    char* encoded = body.data() + head_.size();
    encode_file(image.path, block_, reinterpret_cast<unsigned char*>(encoded));
    tail_.copy(encoded + image.encoded_bytes, tail_.size());
  }

  void start(CURL* easy, std::size_t slot) {
    const std::size_t image = static_cast<std::size_t>(sent_) % images_.size();
    ++sent_;
    ++active_;
    const std::string* body = &bodies_[slot];
    if (options_.prepared) {
      body = &prepared_[image];
    } else {
      make_body(images_[image], bodies_[slot]);
    }
    curl_easy_setopt(easy, CURLOPT_URL, options_.url.c_str());
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers_);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body->size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body->data());
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, throw_away);
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 256L * 1024);
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, reinterpret_cast<void*>(slot));
    curl_multi_add_handle(multi_, easy);
  }

  void collect() {
    int left = 0;
    while (CURLMsg* message = curl_multi_info_read(multi_, &left)) {
      CURL* easy = message->easy_handle;
      void* slot = nullptr;
      curl_easy_getinfo(easy, CURLINFO_PRIVATE, &slot);
      long status = 0;
      curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
      failures_ += message->data.result == CURLE_OK && status == 200 ? 0 : 1;
      curl_multi_remove_handle(multi_, easy);
      --active_;
      if (sent_ < options_.requests) {
        start(easy, reinterpret_cast<std::size_t>(slot));
      } else {
        curl_easy_cleanup(easy);
      }
    }
  }

  const Options& options_;
  std::string head_, tail_;
  CURLM* multi_;
  alig::SocketWatch watch_;
  curl_slist* headers_ = nullptr;
  std::vector<Image> images_;
  std::vector<unsigned char> block_ = std::vector<unsigned char>(96 * 1024);  // a multiple of 3
  std::vector<std::string> prepared_, bodies_;
  int sent_ = 0, active_ = 0, failures_ = 0;
};

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

int measure(const Options& options) {
  curl_global_init(CURL_GLOBAL_DEFAULT);
  BareLoop loop(options);
  const double cpu_before = cpu_seconds();
  const auto begin = std::chrono::steady_clock::now();
  loop.run();
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  std::printf("{\"seconds\": %.4f, \"cpu_seconds\": %.4f, \"failures\": %d}\n", seconds,
              cpu_seconds() - cpu_before, loop.failures());
  return loop.failures() == 0 ? 0 : 1;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  bench::Options options;
  CLI::App app("A bare curl_multi loop, to compare with.");
  app.add_option("--url", options.url)->required();
  app.add_option("--images", options.folder, "Folder of images, sent in turn")->required();
  app.add_option("--head", options.head, "File: the body up to the image")->required();
  app.add_option("--tail", options.tail, "File: the body behind the image")->required();
  app.add_option("--requests", options.requests)->required();
  app.add_option("--in-flight", options.in_flight)->required();
  app.add_flag("--prepared", options.prepared, "Bodies are made before the clock starts");
  CLI11_PARSE(app, argc, argv);
  return bench::measure(options);
}
