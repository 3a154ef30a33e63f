// An OpenAI-compatible endpoint that takes requests as fast as a machine can and answers each after
// a fixed time, with one and the same labels: so that a benchmark measures who asks.
//
// Hand-written, because a library's server would be the bottleneck: one epoll loop per thread, each
// with its own listening socket (SO_REUSEPORT).
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include <fmt/core.h>
#include <CLI/CLI.hpp>

#include "request_reader.h"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;

std::atomic<bool> stopping{false};
std::atomic<std::int64_t> answered{0};
std::atomic<int> open_connections{0}, most_connections{0};

extern "C" void stop(int) { stopping = true; }

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

std::string response_with(const std::string& content) {
  const std::string body = fmt::format(
      R"({{"object":"chat.completion","choices":[{{"index":0,"finish_reason":"stop","message":{{"role":"assistant","content":"{}"}}}}],"usage":{{"prompt_tokens":400,"completion_tokens":40,"total_tokens":440}}}})",
      content);
  return fmt::format(
      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
      body.size(), body);
}

// Every caption of a benchmark holds these words.
const std::string& extraction_response() {
  static const std::string kResponse =
      response_with(R"({\"expressions\":[{\"text\":\"a red thing\",\"noun_chunk\":\"thing\"}]})");
  return kResponse;
}

std::string grounding_response(std::size_t expressions) {
  std::string content = R"({\"groundings\":[)";
  for (std::size_t id = 1; id <= expressions; ++id) {
    content +=
        fmt::format(R"({}{{\"id\":{},\"instances\":[{{\"bbox\":[10,20,60,80],\"score\":0.75}}]}})",
                    id == 1 ? "" : ",", id);
  }
  return response_with(content + "]}");
}

// The prompt as in the JSON of the request: quotes are escaped.
std::string answer_to(std::string_view prompt_end) {
  const std::size_t list = prompt_end.rfind("Expressions: ");
  if (list == std::string_view::npos) return extraction_response();
  constexpr std::string_view kId = R"(\"id\":)";
  // The list is one line; the example below it has its own number.
  const std::string_view asked = prompt_end.substr(list, prompt_end.find("\\n", list) - list);
  std::size_t count = 0;
  for (std::size_t at = asked.find(kId); at != std::string_view::npos;
       at = asked.find(kId, at + kId.size())) {
    ++count;
  }
  return grounding_response(count);
}

int listen_on(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) die("bind");
  if (::listen(fd, 4096) != 0) die("listen");
  return fd;
}

int port_of(int fd) {
  sockaddr_in address{};
  socklen_t length = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  return ntohs(address.sin_port);
}

class Loop {
 public:
  Loop(int listener, std::chrono::microseconds latency)
      : listener_(listener), latency_(latency), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    watch(listener_);
  }

  void run() {
    std::vector<epoll_event> events(256);
    while (!stopping) {
      const int count =
          ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), time_to_wait());
      for (int i = 0; i < count; ++i) {
        const int fd = events[static_cast<std::size_t>(i)].data.fd;
        if (fd == listener_) {
          accept_all();
        } else {
          read_from(fd);
        }
      }
      answer_due();
    }
  }

 private:
  struct Due {
    Clock::time_point at;
    int fd;
    std::uint64_t connection;  // a unique number: descriptors are reused
    std::string response;
  };
  struct Connection {
    std::uint64_t number = 0;
    RequestReader reader;
  };

  void watch(int fd) const {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }

  int time_to_wait() const {
    constexpr int kIdle = 100;
    if (due_.empty()) return kIdle;
    const auto rest =
        std::chrono::duration_cast<std::chrono::microseconds>(due_.front().at - Clock::now());
    // epoll counts milliseconds: rounded down, the last one is spent looking.
    return rest.count() <= 0 ? 0 : static_cast<int>(rest.count() / 1000);
  }

  void accept_all() {
    for (;;) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      const int on = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      connections_[fd].number = ++next_number_;
      watch(fd);
      most_connections = std::max<int>(most_connections, ++open_connections);
    }
  }

  void close_connection(int fd) {
    connections_.erase(fd);
    ::close(fd);
    --open_connections;
  }

  void read_from(int fd) {
    Connection& connection = connections_.at(fd);
    for (;;) {
      const ssize_t count = ::read(fd, buffer_.data(), buffer_.size());
      if (count == 0) return close_connection(fd);
      if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
      if (count < 0) return close_connection(fd);
      const std::string_view bytes(buffer_.data(), static_cast<std::size_t>(count));
      if (connection.reader.take(bytes)) {
        due_.push_back({Clock::now() + latency_, fd, connection.number,
                        answer_to(connection.reader.prompt_end())});
      }
      if (connection.reader.is_bad()) return close_connection(fd);
    }
  }

  // All wait equally long, so that the oldest is due first. Answers are small: one write.
  void answer_due() {
    for (; !due_.empty() && due_.front().at <= Clock::now(); due_.pop_front()) {
      const Due& due = due_.front();
      const auto found = connections_.find(due.fd);
      if (found == connections_.end() || found->second.number != due.connection) continue;
      if (::write(due.fd, due.response.data(), due.response.size()) > 0) ++answered;
    }
  }

  int listener_;
  std::chrono::microseconds latency_;
  int epoll_;
  std::uint64_t next_number_ = 0;
  std::unordered_map<int, Connection> connections_;
  std::deque<Due> due_;
  std::vector<char> buffer_ = std::vector<char>(256 * 1024);
};

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

int serve(int threads, double latency_ms) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  const int first = listen_on(0);
  const int port = port_of(first);
  const auto latency = std::chrono::microseconds(static_cast<std::int64_t>(latency_ms * 1000));
  std::vector<std::thread> workers;
  for (int i = 1; i < threads; ++i) {
    workers.emplace_back([fd = listen_on(port), latency] { Loop(fd, latency).run(); });
  }
  std::printf("http://127.0.0.1:%d\n", port);
  std::fflush(stdout);
  Loop(first, latency).run();
  for (std::thread& worker : workers) worker.join();
  std::printf("{\"answered\": %lld, \"cpu_seconds\": %.3f, \"most_connections\": %d}\n",
              static_cast<long long>(answered), cpu_seconds(), most_connections.load());
  return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  int threads = 2;
  double latency_ms = 0;
  CLI::App app("A canned OpenAI-compatible endpoint for benchmarks; SIGTERM prints its counts.");
  app.add_option("--threads", threads, "Event loops")->capture_default_str();
  app.add_option("--latency-ms", latency_ms, "From the end of a request to its answer");
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGTERM, bench::stop);
  std::signal(SIGINT, bench::stop);
  std::signal(SIGPIPE, SIG_IGN);
  return bench::serve(threads, latency_ms);
}
