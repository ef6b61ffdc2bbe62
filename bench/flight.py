"""pyarrow Flight over a socket: one record batch a message, by `do_exchange` or by `do_put` and `do_get`."""

from __future__ import annotations

import numpy as np

from .transports import answer


class Flight:
    needs = "pyarrow.flight"

    @staticmethod
    def schema():
        import pyarrow as pa

        return pa.schema([("b", pa.uint8())])

    @classmethod
    def put(cls, writer, array):
        import pyarrow as pa

        batch = pa.record_batch([pa.array(array.reshape(-1).view(np.uint8))], schema=cls.schema())
        writer.write_with_metadata(batch, array.dtype.str.encode())

    @staticmethod
    def get(reader):
        chunk = reader.read_chunk()
        return chunk.data.column(0).to_numpy(zero_copy_only=True).view(chunk.app_metadata.to_pybytes().decode())

    def server(self):
        import pyarrow.flight as flight

        class Server(flight.FlightServerBase):
            def do_exchange(self, context, descriptor, reader, writer):
                writer.begin(Flight.schema())
                while True:
                    try:
                        array = Flight.get(reader)
                    except StopIteration:
                        return
                    Flight.put(writer, answer(array))

        return Server("grpc://127.0.0.1:0")

    def serve(self, ready):
        server = self.server()
        ready(server.port)
        server.serve()

    def connect(self, port):
        import pyarrow.flight as flight

        self.client = flight.connect(f"grpc://127.0.0.1:{port}")
        self.writer, self.reader = self.client.do_exchange(flight.FlightDescriptor.for_command(b"x"))
        self.writer.begin(self.schema())

    def call(self, array):
        self.put(self.writer, array)
        return self.get(self.reader)


class FlightPutGet(Flight):
    def server(self):
        import pyarrow as pa
        import pyarrow.flight as flight

        class Server(flight.FlightServerBase):
            last = None

            def do_put(self, context, descriptor, reader, writer):
                self.last = answer(Flight.get(reader))

            def do_get(self, context, ticket):
                schema = Flight.schema().with_metadata({"d": self.last.dtype.str})
                batch = pa.record_batch([pa.array(self.last.view(np.uint8))], schema=schema)
                return flight.RecordBatchStream(pa.RecordBatchReader.from_batches(batch.schema, [batch]))

        return Server("grpc://127.0.0.1:0")

    def connect(self, port):
        import pyarrow.flight as flight

        self.client, self.flight = flight.connect(f"grpc://127.0.0.1:{port}"), flight

    def call(self, array):
        writer, _ = self.client.do_put(self.flight.FlightDescriptor.for_path("x"), self.schema())
        self.put(writer, array)
        writer.close()
        stream = self.client.do_get(self.flight.Ticket(b"x"))
        dtype = stream.schema.metadata[b"d"].decode()
        return stream.read_chunk().data.column(0).to_numpy().view(dtype)
